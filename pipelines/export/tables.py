"""Export tables and views of an inventory as files for other programs."""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from pipelines.errors import InventoryError
from pipelines.export.query_results import Relation, without_formula, write_result
from pipelines.schema.tables import TABLES
from pipelines.sql import identifier, quoted

_ISO_8601 = "%Y-%m-%dT%H:%M:%S.%fZ"


def select_tables(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str], integration: str | None
) -> dict[str, Relation]:
    """Return the rows of tables and views by name; of all tables if no name is given.

    Args:
        connection: to the inventory.
        names: tables and views; those outside the schema `main` as `schema.name`.
        integration: the integration to select; None for all.

    Raises:
        InventoryError: a name is not a table or view.
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


def write_table(
    connection: duckdb.DuckDBPyConnection, rows: Relation, form: str, path: Path
) -> None:
    """Write the rows of a table.

    Times are ISO 8601 in UTC, except in Parquet. In CSV a text that a spreadsheet would run as a
    formula begins with a `'`, and lists and JSON are JSON in their cell.

    Args:
        connection: the connection of the rows.
        rows: the rows.
        form: `csv`, `jsonl` or `parquet`.
        path: the file.

    Raises:
        OSError: the file cannot be written.
    """
    if form != "parquet":
        columns = (
            f"{_portable(identifier(name), str(kind), form)} AS {identifier(name)}"
            for name, kind in zip(rows.columns, rows.types, strict=True)
        )
        rows = rows.project(", ".join(columns))
    write_result(connection, rows, form, path)


def _portable(column: str, kind: str, form: str) -> str:
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({column}, '{_ISO_8601}')"
    return without_formula(column) if kind == "VARCHAR" and form == "csv" else column
