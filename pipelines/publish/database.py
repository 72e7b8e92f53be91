"""`inventory.duckdb`: built beside the published file from the history, and renamed over it.

DuckDB allows no reader beside a writer; a rename blocks none, and an open connection keeps the
file that it opened.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.findings.catalog import FINDING_VIEWS, THRESHOLDS
from pipelines.history.store import EVERY, SnapshotStore
from pipelines.publish.ddl import statements
from pipelines.publish.fingerprint import compute_fingerprint, fingerprint_path
from pipelines.publish.incremental import BUILD_VERSION, applied_snapshots, fold
from pipelines.schema.macros import MACROS
from pipelines.schema.tables import TABLES
from pipelines.schema.views import VIEWS
from pipelines.sql import in_memory, quoted
from pipelines.storage.atomic import replace_durably

# The format that DuckDB 1.2 and everything since can open; 2.0's own default cannot be.
STORAGE_VERSION = "v1.2.0"

Snapshots = Mapping[str, Sequence[str]]


def build_duckdb_file(
    history: SnapshotStore, path: Path, snapshots: Snapshots | None = None
) -> None:
    """Fold the history into a new file and rename it over `path`.

    To publish, the caller holds the publication lock.

    Args:
        history: where the snapshots are.
        path: the file.
        snapshots: by integration the ids of those to fold, oldest first; without them all that
            are committed.

    Raises:
        InventoryError: a file of the history is missing or damaged.
    """
    with _replacing(path) as aside:
        _build(aside, history, history.snapshots() if snapshots is None else snapshots)


def update_duckdb_file(history: SnapshotStore, path: Path, integration: str = EVERY) -> None:
    """Bring the published file up to the history: the content of one built anew, for less.

    The caller holds the publication lock.

    Args:
        history: where the snapshots are.
        path: the file. It is gone on with if it is, byte for byte, as this version of the program
            left it, and tells of no snapshot that the history lacks; else it is built anew.
        integration: of which it tells; without one, of all.

    Raises:
        InventoryError: a file of the history is missing or damaged.
    """
    snapshots = history.snapshots(integration)
    with _replacing(path) as aside:
        if not (_copy_if_unchanged(path, aside) and _extend(aside, history, snapshots)):
            aside.unlink(missing_ok=True)
            _build(aside, history, snapshots)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """A path beside `path`; the file that is made there takes its place, with its seal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.new")
    leftovers = (aside, _wal_path(aside))
    for leftover in leftovers:
        leftover.unlink(missing_ok=True)
    try:
        yield aside
        seal = compute_fingerprint(aside, _build_inputs())
        # What someone left who wrote to the published file and was killed: it fits no other.
        _wal_path(path).unlink(missing_ok=True)
        replace_durably(aside, path)
        fingerprint_path(path).write_text(seal, encoding="utf-8")
    finally:
        for leftover in leftovers:
            leftover.unlink(missing_ok=True)


def _wal_path(path: Path) -> Path:
    """DuckDB's write-ahead log of the file."""
    return path.with_name(f"{path.name}.wal")


def _build_inputs() -> list[str]:
    """What a file's form follows from, beside the history."""
    return [STORAGE_VERSION, str(BUILD_VERSION), *_statements()]


def _statements() -> Iterator[str]:
    return statements((*TABLES.values(), THRESHOLDS), (*VIEWS, *FINDING_VIEWS), MACROS)


def _build(aside: Path, history: SnapshotStore, snapshots: Snapshots) -> None:
    with _attached(aside) as connection:
        for statement in _statements():
            connection.execute(statement)
        fold(connection, history, snapshots)


def _copy_if_unchanged(path: Path, aside: Path) -> bool:
    """Copy the published file; whether nobody else has written to it."""
    if not (path.exists() and fingerprint_path(path).exists()):
        return False
    shutil.copyfile(path, aside)
    return (
        fingerprint_path(path).read_bytes() == compute_fingerprint(aside, _build_inputs()).encode()
    )


def _extend(aside: Path, history: SnapshotStore, snapshots: Snapshots) -> bool:
    """Fold what is new into the copy; False if the history lacks what it tells of."""
    with _attached(aside) as connection:
        for name, ids in applied_snapshots(connection).items():
            if not {*ids} <= {*snapshots.get(name, ())}:
                return False
        fold(connection, history, snapshots)
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
