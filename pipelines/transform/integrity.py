"""Counts what must not be in a table before it is published."""

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
    """Keys that more than one row has."""
    key = ", ".join(table.full_key)
    query = f"SELECT count(*) FROM (SELECT {key} FROM rows GROUP BY ALL HAVING count(*) > 1)"
    # Of many rows it takes less time and memory than Arrow's groups.
    with in_memory(outer) as connection:
        connection.register("rows", rows)
        found = connection.execute(query).fetchone()
        return int(found[0]) if found else 0


def count_unresolved(rows: pa.Table) -> int:
    """Rows that are known by their id only."""
    return rows.filter(~pc.field("resolved")).num_rows


def count_dangling_references(
    table: Table, rows: pa.Table, others: Mapping[str, pa.Table]
) -> dict[str, int]:
    """Rows of other tables that refer to a row that `table` lacks.

    Args:
        table: the table referred to.
        rows: its rows.
        others: tables by name; those that refer to it are looked at.

    Returns:
        the number per `table.column`.
    """
    return {
        f"{name}.{column}": _count_missing(frame.select([column]), rows.select([table.key[0]]))
        for name, frame in others.items()
        if name in TABLES
        for column, target in TABLES[name].references.items()
        if target == table.name
    }


def _count_missing(references: pa.Table, keys: pa.Table) -> int:
    """Rows of the one column that are not among those of the other; what is NULL refers to none."""
    references = references.drop_null()
    return references.filter(pc.invert(pc.is_in(references[0], keys[0]))).num_rows
