"""`inventory.duckdb`: built beside the published file from the history, and renamed over it.

DuckDB allows no reader beside a writer; a rename blocks none, and an open connection keeps the
file that it opened.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.contract import (
    CHANGES,
    INTEGRATIONS,
    INVENTORY_TABLES,
    SNAPSHOTS,
    TABLES,
    VIEWS,
)
from pipelines.load.files import replace_durably
from pipelines.load.history import History
from pipelines.load.manifest import Manifest
from pipelines.load.quoting import quoted
from pipelines.load.run_tables import integrations_table, snapshots_table
from pipelines.schema import Column, Table, View

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
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
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
    for table in INVENTORY_TABLES:
        for manifest in latest.values():
            _insert_part(connection, history, table, manifest)
    for manifest in manifests:
        _insert_part(connection, history, CHANGES, manifest)
    _insert_rows(connection, SNAPSHOTS, snapshots_table(manifests))
    _insert_rows(connection, INTEGRATIONS, integrations_table(latest.values()))
    for view in VIEWS:
        _create_view(connection, view)


def _create(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    columns = ", ".join(f'"{column.name}" {column.type}' for column in table.published_columns)
    connection.execute(f'CREATE TABLE "{table.name}" ({columns})')
    _comment(connection, "TABLE", table.name, table.description, table.published_columns)


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


def _insert_part(
    connection: duckdb.DuckDBPyConnection, history: History, table: Table, manifest: Manifest
) -> None:
    path = history.part(table.name, manifest.integration.name, manifest.snapshot_id)
    connection.execute(
        f'INSERT INTO "{table.name}" BY NAME SELECT $name AS integration, * '
        "FROM read_parquet($path, hive_partitioning = false)",
        {"name": manifest.integration.name, "path": str(path)},
    )


def _insert_rows(connection: duckdb.DuckDBPyConnection, table: Table, rows: pa.Table) -> None:
    connection.register("new_rows", rows)
    connection.execute(f'INSERT INTO "{table.name}" BY NAME FROM new_rows')
    connection.unregister("new_rows")
