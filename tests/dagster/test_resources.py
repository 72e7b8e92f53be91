"""Tables between the steps of a run are read as they were written."""

from pathlib import Path

import dagster as dg
import duckdb
import pyarrow as pa

from assets_defs.assets.inventory_tables import transform_tables
from assets_defs.resources import ParquetStore
from pipelines.extract.second_witness import DIFFERENCES_SCHEMA
from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.sql import in_memory
from pipelines.transform import TRANSFORMS
from tests.support.arrow import Row, raw_table

# More rows than a slice of pyarrow's reader.
ROWS = 131_073


def test_duckdb_queries_nested_structs_of_a_long_table(tmp_path: Path) -> None:
    sudo = pa.array([None, *(number % 2 == 1 for number in range(1, ROWS))])
    nested = pa.StructArray.from_arrays([pa.StructArray.from_arrays([sudo], ["enabled"])], ["sudo"])
    store, key = ParquetStore(tmp_path), dg.AssetKey("long")
    store.write(key, "acme", pa.table({"attributes": nested}))
    rows = store.read(key, "acme")
    with duckdb.connect() as connection:
        connection.register("rows", rows)
        query = "SELECT count(*), count(*) FILTER (attributes.sudo.enabled) FROM rows"
        assert connection.execute(query).fetchall() == [(ROWS, ROWS // 2)]


def test_kept_tables_share_no_memory_with_duckdb() -> None:
    """A column in DuckDB's memory keeps all columns of its result there."""
    bound: Row = {"user_id": "u", "to": {"id": "s", "type": "system"}}
    rows: dict[str, list[Row]] = {"users_associations": [bound], "systems": [{"_id": "s"}]}
    names = [*ENDPOINTS, "completeness"]
    raw = {f"jumpcloud.{name}": raw_table(name, rows.get(name, ())) for name in names}
    raw["jumpcloud.access_differences"] = DIFFERENCES_SCHEMA.empty_table()
    before = pa.total_allocated_bytes()
    with in_memory() as connection:
        *_, (_, _, frames) = transform_tables("acme", raw.__getitem__, connection)
        kept = sum(frames[name].get_total_buffer_size() for name in TRANSFORMS)
        assert pa.total_allocated_bytes() - before >= kept > 0
