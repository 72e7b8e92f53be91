"""`inventory.duckdb`: built beside the published file from the history, and renamed over it.

DuckDB allows no reader beside a writer; a rename blocks none, and an open connection keeps the
file that it opened.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

import duckdb

from pipelines.contract import (
    CHANGES,
    COMPLETENESS,
    INTEGRATIONS,
    INVENTORY_TABLES,
    SNAPSHOTS,
    TABLES,
)
from pipelines.database import in_memory
from pipelines.load.files import replace_durably
from pipelines.load.history import History
from pipelines.load.manifest import Manifest
from pipelines.load.parquet import parquet
from pipelines.load.quoting import quoted
from pipelines.load.run_tables import integrations_table
from pipelines.schema import Column, Table, View
from pipelines.views import VIEWS

# The format that DuckDB 1.2 and everything since can open; 2.0's own default cannot be.
STORAGE_VERSION = "v1.2.0"


def build_duckdb_file(
    history: History, path: Path, manifests: Sequence[Manifest] | None = None
) -> None:
    """Fold the history into a new file and rename it over `path`.

    To publish, the caller holds the publication lock.

    Args:
        history: where the snapshots are.
        path: the file.
        manifests: the snapshots to fold, oldest first; without them all that are committed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    leftovers = (aside, aside.with_name(f"{aside.name}.wal"))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    try:
        with in_memory() as connection:
            connection.execute(
                f"ATTACH {quoted(str(aside))} AS inventory (STORAGE_VERSION '{STORAGE_VERSION}')"
            )
            connection.execute("USE inventory")
            _fill(connection, history, history.manifests() if manifests is None else manifests)
            connection.execute("USE memory")
            connection.execute("DETACH inventory")
        replace_durably(aside, path)
    finally:
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)


def _fill(
    connection: duckdb.DuckDBPyConnection, history: History, manifests: Sequence[Manifest]
) -> None:
    latest = {each.integration.name: each for each in manifests}
    for table in TABLES.values():
        _create(connection, table)
    for table in (*INVENTORY_TABLES, COMPLETENESS):
        _insert_parts(connection, history, table, latest.values())
    for table in (CHANGES, SNAPSHOTS):
        _insert_parts(connection, history, table, manifests)
    connection.register("integration_rows", integrations_table(latest.values()))
    connection.execute(f'INSERT INTO "{INTEGRATIONS.name}" BY NAME FROM integration_rows')
    connection.unregister("integration_rows")
    for view in VIEWS:
        _create_view(connection, view)


def _create(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    columns = ", ".join(map(_definition, table.published_columns))
    connection.execute(f'CREATE TABLE "{table.name}" ({columns})')
    _comment(connection, "TABLE", table.name, table.description, table.published_columns)


def _definition(column: Column) -> str:
    # Changes grow with the history: of all compressions this one makes them smallest, and soonest.
    is_long = column.type == "JSON" or column.name == "asset_id"
    compression = " USING COMPRESSION zstd" if is_long else ""
    return f'"{column.name}" {column.type}{compression}'


def _create_view(connection: duckdb.DuckDBPyConnection, view: View) -> None:
    connection.execute(f'CREATE VIEW "{view.name}" AS {view.sql}')
    columns = [Column(name, "TEXT", text) for name, text in view.columns.items()]
    _comment(connection, "VIEW", view.name, view.description, columns)


def _comment(
    connection: duckdb.DuckDBPyConnection,
    kind: str,
    name: str,
    description: str,
    columns: Sequence[Column],
) -> None:
    connection.execute(f'COMMENT ON {kind} "{name}" IS {quoted(description)}')
    for column in columns:
        text = quoted(column.description)
        connection.execute(f'COMMENT ON COLUMN "{name}"."{column.name}" IS {text}')


def _insert_parts(
    connection: duckdb.DuckDBPyConnection,
    history: History,
    table: Table,
    manifests: Iterable[Manifest],
) -> None:
    """Fill a table with the snapshots of each integration, whose name only the folder tells."""
    # A later version that was tried may have written more columns.
    known = ", ".join(quoted(column.name) for column in table.published_columns)
    for name, group in groupby(manifests, lambda manifest: manifest.integration.name):
        parts = [history.part(table.name, name, each.snapshot_id) for each in group]
        connection.execute(
            f'INSERT INTO "{table.name}" BY NAME '
            f"SELECT {quoted(name)} AS integration, COLUMNS(lambda c: c IN ({known})) "
            f"FROM {parquet(parts)}"
        )
