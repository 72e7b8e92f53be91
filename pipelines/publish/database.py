"""Build `inventory.duckdb` in a temporary file from the snapshots, and rename it.

DuckDB allows no reader while a process writes. A rename blocks no reader, and an open connection
keeps the file that it opened.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.findings.catalog import FINDING_VIEWS, THRESHOLDS
from pipelines.history.store import EVERY, SnapshotStore
from pipelines.publish.fingerprint import compute_fingerprint, fingerprint_path
from pipelines.publish.incremental import BUILD_VERSION, applied_snapshots, apply_snapshots
from pipelines.schema.macros import MACROS
from pipelines.schema.model import Column
from pipelines.schema.tables import TABLES
from pipelines.schema.views import VIEWS
from pipelines.sql import in_memory, quoted
from pipelines.storage.atomic import replace_atomically

# DuckDB 1.2 and later open this format; 1.x cannot open the default format of 2.0.
STORAGE_VERSION = "v1.2.0"

Snapshots = Mapping[str, Sequence[str]]


def build_duckdb_file(store: SnapshotStore, path: Path, snapshots: Snapshots | None = None) -> None:
    """Build a new file from the snapshots and rename it to `path`.

    To publish, the caller holds the publication lock.

    Args:
        store: the store that holds the snapshots.
        path: the file.
        snapshots: ids by integration, oldest first; all snapshots by default.

    Raises:
        InventoryError: a file of a snapshot is missing or damaged.
    """
    with _replacing(path) as tmp_path:
        _build(tmp_path, store, store.snapshots() if snapshots is None else snapshots)


def update_duckdb_file(store: SnapshotStore, path: Path, integration: str = EVERY) -> None:
    """Update the published file to the latest snapshots. A rebuild gives the same content.

    The file is extended if its fingerprint matches and the store has all of its snapshots;
    otherwise it is rebuilt. The caller holds the publication lock.

    Args:
        store: the store that holds the snapshots.
        path: the file.
        integration: the only integration in the file; all by default.

    Raises:
        InventoryError: a file of a snapshot is missing or damaged.
    """
    snapshots = store.snapshots(integration)
    with _replacing(path) as tmp_path:
        if not (_copy_if_unchanged(path, tmp_path) and _extend(tmp_path, store, snapshots)):
            tmp_path.unlink(missing_ok=True)
            _build(tmp_path, store, snapshots)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path. Its file then replaces `path`, and the fingerprint is written."""
    with replace_atomically(path) as tmp_path:
        wal_path = _wal_path(tmp_path)
        for leftover in (tmp_path, wal_path):
            leftover.unlink(missing_ok=True)
        try:
            yield tmp_path
        finally:
            wal_path.unlink(missing_ok=True)
        fingerprint = compute_fingerprint(tmp_path, _build_inputs())
        # Someone who wrote to the published file was killed: the log belongs to that file only.
        _wal_path(path).unlink(missing_ok=True)
    fingerprint_path(path).write_text(fingerprint, encoding="utf-8")


def _wal_path(path: Path) -> Path:
    """Return the path of DuckDB's write-ahead log of the file."""
    return path.with_name(f"{path.name}.wal")


def _build_inputs() -> list[str]:
    """Return what determines the form of a file, besides the snapshots."""
    return [STORAGE_VERSION, str(BUILD_VERSION), *schema_statements()]


def _build(path: Path, store: SnapshotStore, snapshots: Snapshots) -> None:
    with _attached(path) as connection:
        for statement in schema_statements():
            connection.execute(statement)
        apply_snapshots(connection, store, snapshots)


def _copy_if_unchanged(path: Path, tmp_path: Path) -> bool:
    """Copy the published file. Return True if its fingerprint matches."""
    if not (path.exists() and fingerprint_path(path).exists()):
        return False
    shutil.copyfile(path, tmp_path)
    fingerprint = compute_fingerprint(tmp_path, _build_inputs())
    return fingerprint_path(path).read_bytes() == fingerprint.encode()


def _extend(path: Path, store: SnapshotStore, snapshots: Snapshots) -> bool:
    """Add new snapshots to the file. Return False if the store has lost some of its snapshots."""
    with _attached(path) as connection:
        for name, ids in applied_snapshots(connection).items():
            if not {*ids} <= {*snapshots.get(name, ())}:
                return False
        apply_snapshots(connection, store, snapshots)
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
        yield from _comments("TABLE", table.qualified_name, table.description, descriptions)
    for view in views:
        yield f"CREATE VIEW {view.qualified_name} AS {view.sql}"
        yield from _comments("VIEW", view.qualified_name, view.description, view.columns)
    for macro in MACROS:
        parameters = ", ".join(macro.parameters)
        yield f'CREATE MACRO "{macro.name}"({parameters}) AS TABLE {macro.sql}'
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
