"""Counts what must not be in a table before it is published."""

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from pipelines.contract import TABLES
from pipelines.schema import Table


def count_repeated_keys(table: Table, rows: pa.Table) -> int:
    """Keys that more than one row has."""
    key = ", ".join(table.full_key)
    return _count(f"SELECT {key} FROM rows GROUP BY ALL HAVING count(*) > 1", rows=rows)


def count_unresolved(rows: pa.Table) -> int:
    """Rows that are known by their id only."""
    return _count("FROM rows WHERE NOT resolved", rows=rows)


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
    key = table.key[0]
    return {
        f"{name}.{column}": _count(
            f"FROM referring WHERE {column} NOT IN (SELECT {key} FROM rows)",
            rows=rows,
            referring=frame,
        )
        for name, frame in others.items()
        if name in TABLES
        for column, target in TABLES[name].references.items()
        if target == table.name
    }


def _count(query: str, **frames: pa.Table) -> int:
    with duckdb.connect() as connection:
        for name, frame in frames.items():
            connection.register(name, frame)
        found = connection.execute(f"SELECT count(*) FROM ({query})").fetchone()
        return int(found[0]) if found else 0
