"""Writes tables and views of an inventory as files that other programs read."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from pipelines.errors import InventoryError
from pipelines.export.query_results import Relation, write_result
from pipelines.export.xlsx import without_formula, write_workbook
from pipelines.schema.tables import TABLES
from pipelines.sql import identifier, quoted

_ISO_8601 = "%Y-%m-%dT%H:%M:%S.%fZ"


def chosen_relations(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], integration: str | None
) -> dict[str, Relation]:
    """The rows of tables and views, by name; without names, of all tables.

    Args:
        connection: to the inventory.
        names: which; those outside the schema `main` as `schema.name`.
        integration: whose rows; without it, those of all.

    Raises:
        InventoryError: there is none of that name.
    """
    found = connection.execute("""
SELECT CASE WHEN schema_name = 'main' THEN '' ELSE schema_name || '.' END || name AS name
FROM (
    SELECT schema_name, table_name AS name, internal FROM duckdb_tables()
    UNION ALL
    SELECT schema_name, view_name, internal FROM duckdb_views()
)
WHERE NOT internal
ORDER BY ALL""").fetchall()
    known = [name for (name,) in found]
    unknown = set(names) - set(known)
    if unknown:
        raise InventoryError(
            f"there is no table or view {', '.join(sorted(unknown))}; there are: {', '.join(known)}"
        )
    chosen = dict.fromkeys(names) or [name for name in TABLES if name in known]
    return {name: _rows(connection, name, integration) for name in chosen}


def _rows(connection: duckdb.DuckDBPyConnection, name: str, integration: str | None) -> Relation:
    rows = connection.sql(f"FROM {'.'.join(map(identifier, name.split('.')))}")
    return rows.filter(f"integration = {quoted(integration)}") if integration else rows


def write_table(rows: Relation, form: str, path: Path) -> None:
    """Write the rows of a table.

    Times are ISO 8601 in UTC, and Parquet's own in Parquet. In CSV a text that a spreadsheet would
    take for a formula begins with a `'`; lists and JSON are JSON in their cell.

    Args:
        rows: all of them.
        form: `csv`, `jsonl` or `parquet`.
        path: the file.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("wb") as sink:
        write_result(_as_read_elsewhere(rows, form), form, sink)


def write_tables_as_workbook(tables: Mapping[str, Relation], path: Path) -> Mapping[str, int]:
    """Write a workbook, a sheet a table; see `write_workbook`.

    Args:
        tables: their rows, by name.
        path: the file; the sheets are put together beside it.
    """
    with (
        tempfile.TemporaryDirectory(prefix=".jumpcloud-inventory-", dir=path.parent) as scratch,
        path.open("wb") as sink,
    ):
        return write_workbook(tables, sink, Path(scratch))


def _as_read_elsewhere(rows: Relation, form: str) -> Relation:
    if form == "parquet":
        return rows
    columns = (
        f"{_expression(identifier(name), str(kind), form)} AS {identifier(name)}"
        for name, kind in zip(rows.columns, rows.types, strict=True)
    )
    return rows.project(", ".join(columns))


def _expression(column: str, kind: str, form: str) -> str:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({column}, '{_ISO_8601}')"
    return without_formula(column) if kind == "VARCHAR" and form == "csv" else column
