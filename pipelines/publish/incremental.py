"""Add snapshots to a DuckDB file.

The cost depends on the snapshots that the file does not have yet, not on the length of the history.
"""

from collections.abc import Iterable, Mapping, Sequence

import duckdb

from pipelines.errors import InventoryError
from pipelines.findings.catalog import THRESHOLDS
from pipelines.history.store import SnapshotStore
from pipelines.publish.metadata_tables import integrations_table, thresholds_table
from pipelines.schema.model import Table
from pipelines.schema.tables import CHANGES, COMPLETENESS, INTEGRATIONS, INVENTORY_TABLES, SNAPSHOTS
from pipelines.sql import parquet, quoted

# Increment it with every change after which the same snapshots give other rows: a file of another
# build version is rebuilt instead of extended.
BUILD_VERSION = 1


def applied_snapshots(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """Return the ids of the snapshots in the file, by integration."""
    query = f'SELECT integration, list(snapshot_id) FROM "{SNAPSHOTS.name}" GROUP BY ALL'
    return dict(connection.execute(query).fetchall())


def apply_snapshots(
    connection: duckdb.DuckDBPyConnection,
    store: SnapshotStore,
    snapshots: Mapping[str, Sequence[str]],
) -> None:
    """Add the snapshots that are missing in the file.

    Args:
        connection: a connection to a file with all tables, empty or with some of the snapshots.
        store: the store that holds the snapshots.
        snapshots: ids by integration, oldest first, including all that the file has.

    Raises:
        InventoryError: a file of a snapshot is missing or damaged.
    """
    applied = applied_snapshots(connection)
    for name, ids in snapshots.items():
        known = {*applied.get(name, ())}
        new = [snapshot_id for snapshot_id in ids if snapshot_id not in known]
        for table in (CHANGES, SNAPSHOTS):
            _insert(connection, store, table, name, new)
    _replace_latest(connection, store, {name: ids[-1] for name, ids in snapshots.items()})


def _replace_latest(
    connection: duckdb.DuckDBPyConnection, store: SnapshotStore, latest: Mapping[str, str]
) -> None:
    """Fill the inventory tables from the latest snapshots, where the file has another one."""
    query = f'SELECT integration, last_snapshot_id FROM "{INTEGRATIONS.name}"'
    current = dict(connection.execute(query).fetchall())
    outdated = {name: each_id for name, each_id in latest.items() if current.get(name) != each_id}
    replaced = outdated.keys() & current.keys()
    if replaced:
        _delete(connection, replaced)
    for name, snapshot_id in outdated.items():
        for table in (*INVENTORY_TABLES, COMPLETENESS):
            _insert(connection, store, table, name, [snapshot_id])
    manifests = [store.manifest(name, snapshot_id) for name, snapshot_id in outdated.items()]
    for table, rows in (
        (INTEGRATIONS, integrations_table(manifests)),
        (THRESHOLDS, thresholds_table(manifests)),
    ):
        connection.register("new_rows", rows)
        connection.execute(f"INSERT INTO {table.qualified_name} BY NAME FROM new_rows")
        connection.unregister("new_rows")


def _delete(connection: duckdb.DuckDBPyConnection, integrations: Iterable[str]) -> None:
    """Delete the latest snapshots of integrations."""
    names = ", ".join(map(quoted, integrations))
    for table in (*INVENTORY_TABLES, COMPLETENESS, INTEGRATIONS, THRESHOLDS):
        connection.execute(f"DELETE FROM {table.qualified_name} WHERE integration IN ({names})")
    # Frees the space of the deleted rows before new rows are inserted.
    connection.execute("CHECKPOINT")


def _insert(
    connection: duckdb.DuckDBPyConnection,
    store: SnapshotStore,
    table: Table,
    integration: str,
    snapshot_ids: Sequence[str],
) -> None:
    """Insert the rows of a table from snapshots of an integration, which only the path names."""
    if not snapshot_ids:
        return
    parts = store.parts(table.name, integration, snapshot_ids)
    # A later version may have written more columns.
    known = ", ".join(quoted(column.name) for column in table.published_columns)
    try:
        connection.execute(
            f'INSERT INTO "{table.name}" BY NAME '
            f"SELECT {quoted(integration)} AS integration, COLUMNS(lambda c: c IN ({known})) "
            f"FROM {parquet(parts)}"
        )
    except duckdb.Error:
        # DuckDB does not always name the file, and may also have run out of space or memory.
        for snapshot_id, part in zip(snapshot_ids, parts, strict=True):
            if not store.checksum_matches(table.name, integration, snapshot_id):
                raise InventoryError(
                    f"{part}: missing or damaged. If a run was in progress, try again; otherwise "
                    f"restore it from a backup, or give this snapshot up: "
                    f"{store.removal_hint(integration, snapshot_id)}, and rebuild"
                ) from None
        raise
