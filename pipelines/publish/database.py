"""Build `inventory.duckdb` in a temporary file from the snapshots, and rename it.

DuckDB allows no reader while a process writes. A rename blocks no reader, and an open connection
keeps the file that it opened.
"""

import fcntl
import hashlib
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.config.applied import AppliedSettings
from pipelines.findings.catalog import FINDING_VIEWS
from pipelines.findings.model import THRESHOLDS
from pipelines.history.findings import read_open_findings
from pipelines.history.manifest import Manifest
from pipelines.history.metadata_tables import applied_table, integrations_table, thresholds_table
from pipelines.history.store import EVERY, SnapshotStore
from pipelines.publish.fingerprint import compute_fingerprint, fingerprint_path
from pipelines.publish.reader import log_path
from pipelines.reviews.outcomes import replace_reviews
from pipelines.reviews.store import StoredReview
from pipelines.schema.arguments import FILE_ID
from pipelines.schema.macros import MACROS
from pipelines.schema.model import Column, Table
from pipelines.schema.tables import (
    CHANGES,
    COMPLETENESS,
    FINDING_HISTORY,
    INTEGRATIONS,
    INVENTORY_TABLES,
    SNAPSHOTS,
    TABLES,
)
from pipelines.schema.views import VIEWS
from pipelines.sql import in_memory, parquet, quoted
from pipelines.storage.atomic import replace_atomically

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
        # An earlier version wrote no findings.
        with_findings = [
            one for one in new if FINDING_HISTORY.name in store.manifest(name, one).sha256
        ]
        _insert(connection, store, FINDING_HISTORY, name, with_findings)
    _replace_latest(connection, store, {name: ids[-1] for name, ids in snapshots.items()})
    for statement in _macro_statements(_file_id(connection)):
        connection.execute(statement)


def _file_id(connection: duckdb.DuckDBPyConnection) -> str:
    """Return an id of the snapshots in the file, by which its macros recognize the file."""
    applied = sorted((name, sorted(ids)) for name, ids in applied_snapshots(connection).items())
    return hashlib.sha256(repr(applied).encode()).hexdigest()


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
    manifests = [store.manifest(name, snapshot_id) for name, snapshot_id in outdated.items()]
    for manifest in manifests:
        for table in (*INVENTORY_TABLES, COMPLETENESS):
            # An earlier version may have written fewer tables.
            if table.name in manifest.sha256:
                snapshot = (manifest.integration.name, [manifest.snapshot_id])
                _insert(connection, store, table, *snapshot)
        connection.register("open_rows", read_open_findings(store, manifest))
        connection.execute(f"INSERT INTO {FINDING_HISTORY.qualified_name} BY NAME FROM open_rows")
        connection.unregister("open_rows")
    for table, rows in (
        (INTEGRATIONS, integrations_table(store, manifests)),
        (THRESHOLDS, thresholds_table(manifests)),
    ):
        connection.register("new_rows", rows)
        connection.execute(f"INSERT INTO {table.qualified_name} BY NAME FROM new_rows")
        connection.unregister("new_rows")


def _apply_settings(connection: duckdb.DuckDBPyConnection, settings: AppliedSettings) -> None:
    """Set what the current settings decide, also for integrations without a new snapshot."""
    found = connection.execute(f'SELECT integration FROM "{INTEGRATIONS.name}"').fetchall()
    connection.register("applied", applied_table(settings, [name for (name,) in found]))
    connection.execute(
        f'UPDATE "{INTEGRATIONS.name}" i SET enabled = a.enabled, configured = a.configured '
        "FROM applied a WHERE a.integration = i.integration "
        "AND (i.enabled, i.configured) IS DISTINCT FROM (a.enabled, a.configured)"
    )
    connection.unregister("applied")


def _delete(connection: duckdb.DuckDBPyConnection, integrations: Iterable[str]) -> None:
    """Delete the latest snapshots of integrations."""
    names = ", ".join(map(quoted, integrations))
    for table in (*INVENTORY_TABLES, COMPLETENESS, INTEGRATIONS, THRESHOLDS):
        connection.execute(f"DELETE FROM {table.qualified_name} WHERE integration IN ({names})")
    connection.execute(
        f"DELETE FROM {FINDING_HISTORY.qualified_name} "
        f"WHERE integration IN ({names}) AND closed_at IS NULL"
    )
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
    parts = parquet(store.parts(table.name, integration, snapshot_ids))
    # A later version may have written more columns.
    known = ", ".join(quoted(column.name) for column in table.published_columns)
    connection.execute(
        f'INSERT INTO "{table.name}" BY NAME '
        f"SELECT {quoted(integration)} AS integration, COLUMNS(lambda c: c IN ({known})) "
        f"FROM {parts}"
    )


# DuckDB 1.2 and later open this format; 1.x cannot open the default format of 2.0.
STORAGE_VERSION = "v1.2.0"

Snapshots = Mapping[str, Sequence[str]]
# Settings that decide about no integration.
UNKNOWN = AppliedSettings({}, has_file=False)


def build_duckdb_file(
    store: SnapshotStore,
    path: Path,
    snapshots: Snapshots | None = None,
    settings: AppliedSettings = UNKNOWN,
    reviews: Sequence[StoredReview] = (),
) -> None:
    """Build a new file from the snapshots and rename it to `path`.

    To publish, the caller holds the publication lock.

    Args:
        store: the store that holds the snapshots.
        path: the file.
        snapshots: ids by integration, oldest first; all snapshots by default.
        settings: the current settings.
        reviews: the access reviews of the integrations in the file.

    Raises:
        InventoryError: a file of a snapshot is missing or damaged.
    """
    with _replacing(path) as tmp_path:
        _build(tmp_path, store, store.snapshots() if snapshots is None else snapshots, settings)
        _add_reviews(tmp_path, reviews)


def update_duckdb_file(
    store: SnapshotStore,
    path: Path,
    integration: str = EVERY,
    settings: AppliedSettings = UNKNOWN,
    reviews: Sequence[StoredReview] = (),
) -> None:
    """Update the published file to the latest snapshots. A rebuild gives the same content.

    The file is extended if its fingerprint matches and the store has all of its snapshots;
    otherwise it is rebuilt. The caller holds the publication lock.

    Args:
        store: the store that holds the snapshots.
        path: the file.
        integration: the only integration in the file; all by default.
        settings: the current settings.
        reviews: the access reviews of the integrations in the file.

    Raises:
        InventoryError: a file of a snapshot is missing or damaged.
    """
    snapshots = store.snapshots(integration)
    with _replacing(path) as tmp_path:
        if not (
            _copy_if_unchanged(path, tmp_path) and _extend(tmp_path, store, snapshots, settings)
        ):
            tmp_path.unlink(missing_ok=True)
            _build(tmp_path, store, snapshots, settings)
        _add_reviews(tmp_path, reviews)


def _add_reviews(path: Path, reviews: Sequence[StoredReview]) -> None:
    """Replace the tables of reviews, which depend on all snapshots in the file."""
    with _attached(path) as connection:
        replace_reviews(connection, reviews)


def build_past_file(store: SnapshotStore, latest: Collection[Manifest], path: Path) -> None:
    """Build the file as it was when these were the latest snapshots of their integrations.

    Args:
        store: the store that holds the snapshots.
        latest: a snapshot of each integration that is in the file. It has its tables.
        path: the new file.

    Raises:
        InventoryError: files of a snapshot are missing or damaged.
    """
    snapshots: dict[str, list[str]] = {}
    for manifest in latest:
        ids = store.snapshot_ids(manifest.integration.name)
        snapshots[manifest.integration.name] = ids[: ids.index(manifest.snapshot_id) + 1]
    build_duckdb_file(store, path, snapshots)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path. Its file then replaces `path`, and the fingerprint is written."""
    with replace_atomically(path) as tmp_path:
        wal_path = log_path(tmp_path)
        for leftover in (tmp_path, wal_path):
            leftover.unlink(missing_ok=True)
        try:
            yield tmp_path
        finally:
            wal_path.unlink(missing_ok=True)
        fingerprint = compute_fingerprint(tmp_path, _build_inputs())
        # Most programs open a file for writing by default.
        tmp_path.chmod(tmp_path.stat().st_mode & 0o444)
        _keep_out_logs(path)
    fingerprint_path(path).write_text(fingerprint, encoding="utf-8")


def _keep_out_logs(path: Path) -> None:
    """Remove a log of changes to the file that is about to be replaced, and prevent another one.

    A program that has the file open for writing, as its owner or as root can, would write its log
    next to the new file, where every reader would replay it. It cannot create it through a link
    into a folder that does not exist, and readers find no log there.
    """
    log = log_path(path)
    log.unlink(missing_ok=True)
    if path.exists() and _is_open_for_writing(path):
        log.symlink_to(Path("no-log", log.name))


def _is_open_for_writing(path: Path) -> bool:
    """Return True if DuckDB in another process has locked the file in order to write to it."""
    with path.open("rb") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _build_inputs() -> list[str]:
    """Return the inputs, other than the snapshots, that determine the form of a file."""
    return [STORAGE_VERSION, str(BUILD_VERSION), *schema_statements()]


def _build(
    path: Path, store: SnapshotStore, snapshots: Snapshots, settings: AppliedSettings
) -> None:
    with _attached(path) as connection:
        for statement in schema_statements():
            connection.execute(statement)
        apply_snapshots(connection, store, snapshots)
        _apply_settings(connection, settings)


def _copy_if_unchanged(path: Path, tmp_path: Path) -> bool:
    """Copy the published file. Return True if its fingerprint matches."""
    if not (path.exists() and fingerprint_path(path).exists()):
        return False
    shutil.copyfile(path, tmp_path)
    fingerprint = compute_fingerprint(tmp_path, _build_inputs())
    return fingerprint_path(path).read_bytes() == fingerprint.encode()


def _extend(
    path: Path, store: SnapshotStore, snapshots: Snapshots, settings: AppliedSettings
) -> bool:
    """Add new snapshots to the file. Return False if the store has lost some of its snapshots."""
    with _attached(path) as connection:
        for name, ids in applied_snapshots(connection).items():
            if not {*ids} <= {*snapshots.get(name, ())}:
                return False
        apply_snapshots(connection, store, snapshots)
        _apply_settings(connection, settings)
    return True


@contextmanager
def _attached(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    with in_memory() as connection:
        connection.execute(
            f"ATTACH {quoted(str(path))} AS inventory (STORAGE_VERSION '{STORAGE_VERSION}')"
        )
        connection.execute("USE inventory")
        yield connection
        connection.execute("USE memory")
        connection.execute("DETACH inventory")


def schema_statements() -> Iterator[str]:
    """Yield SQL that creates an empty file of the data contract, with comments on everything."""
    tables, views = (*TABLES.values(), THRESHOLDS), (*VIEWS, *FINDING_VIEWS)
    schemas = [*(table.schema for table in tables), *(view.schema for view in views)]
    for schema in dict.fromkeys(schemas):
        yield f'CREATE SCHEMA IF NOT EXISTS "{schema}"'
    for table in tables:
        columns = ", ".join(map(_definition, table.published_columns))
        yield f"CREATE TABLE {table.qualified_name} ({columns})"
        descriptions = {column.name: column.description for column in table.published_columns}
        yield from _comments("TABLE", table.qualified_name, table.comment, descriptions)
    for view in views:
        yield f"CREATE VIEW {view.qualified_name} AS {view.sql}"
        yield from _comments("VIEW", view.qualified_name, view.description, view.columns)
    yield from _macro_statements(file_id="")


def _macro_statements(file_id: str) -> Iterator[str]:
    for macro in MACROS:
        parameters, sql = ", ".join(macro.parameters), macro.sql.replace(FILE_ID, file_id)
        yield f'CREATE OR REPLACE MACRO "{macro.name}"({parameters}) AS TABLE {sql}'
        yield f'COMMENT ON MACRO TABLE "{macro.name}" IS {quoted(macro.description)}'


def _definition(column: Column) -> str:
    # `changes` grows with the history: zstd compresses these columns best and fastest.
    is_long = column.type == "JSON" or column.name == "asset_id"
    compression = " USING COMPRESSION zstd" if is_long else ""
    return f'"{column.name}" {column.type}{compression}'


def _comments(kind: str, name: str, description: str, columns: Mapping[str, str]) -> Iterator[str]:
    yield f"COMMENT ON {kind} {name} IS {quoted(description)}"
    for column, meaning in columns.items():
        yield f'COMMENT ON COLUMN {name}."{column}" IS {quoted(meaning)}'
