"""Brings the tables of a DuckDB file up to the snapshots of the history.

A fold over the snapshots: what it costs follows from those that the file does not hold yet, and
from the integrations whose latest snapshot is another one, not from the length of the history.
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

# Raise it with every change after which the same snapshots give other rows: a file that was folded
# otherwise is then made anew, and not gone on with.
BUILD_VERSION = 1


def applied_snapshots(connection: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    """The snapshots of each integration of which the file tells already."""
    query = f'SELECT integration, list(snapshot_id) FROM "{SNAPSHOTS.name}" GROUP BY ALL'
    return dict(connection.execute(query).fetchall())


def fold(
    connection: duckdb.DuckDBPyConnection,
    history: SnapshotStore,
    snapshots: Mapping[str, Sequence[str]],
) -> None:
    """Add the snapshots that the file lacks.

    Args:
        connection: to a file with all tables, empty or with some of the snapshots.
        history: where the snapshots are.
        snapshots: by integration the ids, oldest first; none that the file holds is missing.

    Raises:
        InventoryError: a file of a snapshot is missing or damaged.
    """
    already = applied_snapshots(connection)
    for name, ids in snapshots.items():
        known = {*already.get(name, ())}
        new = [each for each in ids if each not in known]
        for table in (CHANGES, SNAPSHOTS):
            _insert_parts(connection, history, table, name, new)
    _replace_latest(connection, history, {name: ids[-1] for name, ids in snapshots.items()})


def _replace_latest(
    connection: duckdb.DuckDBPyConnection, history: SnapshotStore, latest: Mapping[str, str]
) -> None:
    """Let the tables of the latest snapshots hold these, where the file has others or none."""
    query = f'SELECT integration, last_snapshot_id FROM "{INTEGRATIONS.name}"'
    shown = dict(connection.execute(query).fetchall())
    moved = {name: each for name, each in latest.items() if shown.get(name) != each}
    replaced = moved.keys() & shown.keys()
    if replaced:
        _remove(connection, replaced)
    for name, snapshot_id in moved.items():
        for table in (*INVENTORY_TABLES, COMPLETENESS):
            _insert_parts(connection, history, table, name, [snapshot_id])
    manifests = [history.manifest(name, snapshot_id) for name, snapshot_id in moved.items()]
    for table, rows in (
        (INTEGRATIONS, integrations_table(manifests)),
        (THRESHOLDS, thresholds_table(manifests)),
    ):
        connection.register("new_rows", rows)
        connection.execute(f"INSERT INTO {table.qualified_name} BY NAME FROM new_rows")
        connection.unregister("new_rows")


def _remove(connection: duckdb.DuckDBPyConnection, integrations: Iterable[str]) -> None:
    names = ", ".join(map(quoted, integrations))
    for table in (*INVENTORY_TABLES, COMPLETENESS, INTEGRATIONS, THRESHOLDS):
        connection.execute(f"DELETE FROM {table.qualified_name} WHERE integration IN ({names})")
    # Before anything is inserted, so that it takes the room of what was deleted.
    connection.execute("CHECKPOINT")


def _insert_parts(
    connection: duckdb.DuckDBPyConnection,
    history: SnapshotStore,
    table: Table,
    integration: str,
    snapshot_ids: Sequence[str],
) -> None:
    """Fill a table with snapshots of an integration, whose name only the folder tells."""
    if not snapshot_ids:
        return
    parts = history.parts(table.name, integration, snapshot_ids)
    # A later version that was tried may have written more columns.
    known = ", ".join(quoted(column.name) for column in table.published_columns)
    try:
        connection.execute(
            f'INSERT INTO "{table.name}" BY NAME '
            f"SELECT {quoted(integration)} AS integration, COLUMNS(lambda c: c IN ({known})) "
            f"FROM {parquet(parts)}"
        )
    except duckdb.Error:
        # DuckDB does not always name the file, and fails for want of room or memory too.
        for each in snapshot_ids:
            if not history.is_whole(table.name, integration, each):
                raise _damaged(history, table, integration, each) from None
        raise


def _damaged(
    history: SnapshotStore, table: Table, integration: str, snapshot_id: str
) -> InventoryError:
    return InventoryError(
        f"{history.part(table.name, integration, snapshot_id)}: is missing or damaged. If a run "
        "was under way, try again; else restore it from a backup, or "
        f"{history.removal_hint(integration, snapshot_id)} to give that snapshot up, and rebuild"
    )
