"""Publishes what the history holds: as a file here, or as objects for all machines."""

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.config.environment import home
from pipelines.config.integration import NAME
from pipelines.errors import InventoryError
from pipelines.history.store import EVERY, SnapshotStore
from pipelines.publish.database import build_duckdb_file, update_duckdb_file
from pipelines.report.model import IntegrationReport
from pipelines.report.render import write_report
from pipelines.storage.locks import locked
from pipelines.workspace import (
    history,
    object_store,
    publication_lock,
    published_file,
    published_uri,
    report_file,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipelines.publish.object import PublishedObject
from collections.abc import Iterator
from contextlib import contextmanager

import click

from pipelines.history.lookup import find_snapshot
from pipelines.history.manifest import Manifest
from pipelines.publish.time_travel import build_file_at


def list_manifests(integration: str | None) -> list[Manifest]:
    """The manifests of an integration's snapshots, or without one of all, oldest first.

    Raises:
        InventoryError: nothing has been published, or nothing of that integration.
    """
    past = history()
    known = past.snapshots()
    if not known:
        raise InventoryError(f"{past.location}: no inventory has been published here yet")
    if integration and integration not in known:
        raise unpublished(integration, known)
    return past.manifests(integration or EVERY)


@contextmanager
def inventory_file(snapshot_id: str | None, integration: str | None) -> Iterator[Path]:
    """The published file, or one made for the occasion, which goes afterwards.

    Args:
        snapshot_id: as it was published with this snapshot; standard error says what is in it.
        integration: whose snapshot is meant, where several have one; without a snapshot, in an
            object store, whose file.

    Raises:
        InventoryError: there is no such snapshot, or its tables are gone.
    """
    if snapshot_id is None:
        yield fetch_file(integration)
        return
    snapshot = find_snapshot(list_manifests(integration), snapshot_id)
    with tempfile.TemporaryDirectory(prefix="jumpcloud-inventory-") as folder:
        path = Path(folder, published_file().name)
        for each in build_file_at(history(), snapshot, path):
            click.echo(f"{each.integration.name}: {each.snapshot_id}", err=True)
        yield path


def refresh_file(integration: str) -> Path:
    """Bring the DuckDB file that an integration is in up to the history; the file.

    The caller holds the publication lock.
    """
    path = published_file(integration)
    published = published_object(path)
    if published:
        # Another machine may publish between two tries: each looks at the history anew.
        published.renew(lambda: update_duckdb_file(history(), path, integration))
    else:
        update_duckdb_file(history(), path)
    return path


def refresh_report(integration: str | None = None) -> "Sequence[IntegrationReport]":
    """Write the report of the file that an integration is in, or all are; what it says.

    Raises:
        InventoryError: the report cannot be written; the last one stays.
        duckdb.Error: the file is missing or damaged, or there is no room to answer.
    """
    report = report_file(integration)
    facts = write_report(published_file(integration), report)
    store = object_store()
    if store:
        store.put(report.relative_to(home()).as_posix(), report)
    return facts


def rebuild_file() -> None:
    """Make the file over all integrations anew from the history, and its report."""
    path = published_file()
    with locked(publication_lock()):
        published = published_object(path)
        if published:
            published.renew(lambda: build_duckdb_file(history(), path))
        else:
            build_duckdb_file(history(), path)
        refresh_report()


def combine() -> None:
    """Bring the file over all integrations of an object store up to what each has published.

    Raises:
        InventoryError: nothing has been published yet.
    """
    path = published_file()
    published = published_object(path)
    if published is None:
        return
    (home() / "scratch").mkdir(parents=True, exist_ok=True)
    with (
        locked(publication_lock()),
        tempfile.TemporaryDirectory(prefix="combine-", dir=home() / "scratch") as copies,
    ):
        # What the file holds by then needs no copy here: there may be thousands of integrations.
        published.renew(lambda: _combine(history(Path(copies)), path))
        refresh_report()


def _combine(past: SnapshotStore, path: Path) -> None:
    if not path.exists() and not past.snapshots():
        raise _nothing_published(path, None)
    update_duckdb_file(past, path, EVERY)


def published_object(path: Path) -> "PublishedObject | None":
    """The object of a published file; None where it is published here."""
    store = object_store()
    if store is None:
        return None
    from pipelines.publish.object import PublishedObject  # noqa: PLC0415 -- an extra

    return PublishedObject(store, home(), path)


def fetch_file(integration: str | None = None) -> Path:
    """The published file of an integration or of all, brought here where that is needed.

    Raises:
        InventoryError: nothing has been published yet, or nothing of that integration.
    """
    path = published_file(integration)
    published = published_object(path)
    if published:
        if integration and not re.fullmatch(NAME, integration):
            raise unpublished(integration, history().snapshots())
        with locked(publication_lock(integration)):
            if not published.fetch():
                raise _nothing_published(path, integration)
    return path


def remove_own_file(integration: str) -> None:
    """Remove what is published of the integration alone; the caller holds its lock."""
    published = published_object(published_file(integration))
    store = object_store()
    if published and store:
        report = report_file(integration)
        published.remove()
        store.delete([report.relative_to(home()).as_posix()])
        report.unlink(missing_ok=True)


def unpublished(integration: str, known: "Iterable[str]") -> InventoryError:
    """That nothing was published of an integration; those that there are."""
    names = ", ".join(sorted(known)) or "none"
    return InventoryError(f"no integration {integration!r} was published; there are: {names}")


def _nothing_published(path: Path, integration: str | None) -> InventoryError:
    words = f"{published_uri(path)}: no inventory has been published here yet"
    known = history().snapshots()
    if integration and integration not in known:
        return unpublished(integration, known)
    if integration is None and known:
        words += "; its integrations have: `jumpcloud-inventory combine` puts them together"
    return InventoryError(words)
