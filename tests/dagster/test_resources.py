"""Tables between the steps of a run are read as they were written."""

from pathlib import Path

import dagster as dg
import duckdb
import pyarrow as pa

from assets_defs.resources import ParquetStore

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
