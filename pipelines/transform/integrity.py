"""Count rows that violate the data contract, before a table is published."""

from collections.abc import Mapping

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.schema.model import Table
from pipelines.schema.tables import TABLES
from pipelines.sql import in_memory


def count_repeated_keys(
    table: Table, rows: pa.Table, outer: duckdb.DuckDBPyConnection | None = None
) -> int:
    """Return the number of keys that several rows have."""
    key = ", ".join(table.full_key)
    query = f"SELECT count(*) FROM (SELECT {key} FROM rows GROUP BY ALL HAVING count(*) > 1)"
    # DuckDB needs less time and memory than Arrow's `group_by` for many rows.
    with in_memory(outer) as connection:
        connection.register("rows", rows)
        found = connection.execute(query).fetchone()
        return int(found[0]) if found else 0


def count_dangling_references(
    table: Table, rows: pa.Table, others: Mapping[str, pa.Table]
) -> dict[str, int]:
    """Count rows of other tables that refer to a row that is missing from a table.

    Args:
        table: the table referred to.
        rows: its rows.
        others: tables by name; those that do not refer to it are ignored.

    Returns:
        The number of rows by `table.column`.
    """
    keys = rows[table.key[0]]
    counts = {}
    for name in others:
        references = TABLES[name].references if name in TABLES else {}
        for column, target in references.items():
            if target == table.name:
                # A reference that is NULL refers to nothing.
                values = others[name][column].drop_null()
                missing = pc.invert(pc.is_in(values, keys))
                counts[f"{name}.{column}"] = values.filter(missing).length()
    return counts
