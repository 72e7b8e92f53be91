"""Find the published DuckDB file, or build one as of a snapshot."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.errors import NOT_PUBLISHED, PUBLISH, InventoryError
from pipelines.publish.reader import refuse_log
from pipelines.publish.store import open_backend
from pipelines.storage.locks import locked
from pipelines.temporary import temporary_folder
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pipelines.history.manifest import Manifest
    from pipelines.history.store import SnapshotStore


@dataclass(frozen=True)
class InventoryFile:
    """A DuckDB file to read.

    Attributes:
        path: the file.
        snapshots: the latest snapshot of each integration in it; empty for the published file.
        notes: integrations that have none, or another one than expected, as lines for people.
    """

    path: Path
    snapshots: Sequence["Manifest"] = ()
    notes: Sequence[str] = ()


def list_manifests(workspace: Workspace, integration: str | None) -> list["Manifest"]:
    """Return the manifests of an integration's snapshots, or of all, oldest first.

    Raises:
        InventoryError: nothing has been published, or nothing of that integration.
    """
    history = workspace.open_history()
    select_published(history, [integration] if integration else [])
    return history.manifests(integration) if integration else history.manifests()


def select_published(history: "SnapshotStore", names: Sequence[str]) -> list[str]:
    """Return the named integrations, or without a name all that have snapshots.

    Raises:
        InventoryError: nothing has been published, or nothing of one of them.
    """
    known = history.snapshots()
    if not known:
        raise InventoryError(f"{history.location}: {NOT_PUBLISHED}. {PUBLISH}")
    for name in names:
        if name not in known:
            raise _unpublished(name, known)
    return [*names] or sorted(known)


@contextmanager
def inventory_file(
    workspace: Workspace, at: str | None, integration: str | None
) -> Iterator[InventoryFile]:
    """Yield the published file, or a temporary one as of a snapshot or a time.

    Args:
        workspace: where the inventory is.
        at: snapshot or time to go back to; None for the published file.
        integration: owner of the snapshot, if several have that id. In an object store, without
            a snapshot, owner of the file.

    Raises:
        InventoryError: there is no such snapshot, or its tables have been removed.
    """
    if at is None:
        yield InventoryFile(fetch_file(workspace, integration))
        return
    # These load pyarrow and pydantic, which the published file does not need.
    from pipelines.history.lookup import select_past  # noqa: PLC0415
    from pipelines.publish.database import build_past_file  # noqa: PLC0415

    history = workspace.open_history()
    select_published(history, [integration] if integration else [])
    latest, notes = select_past(history.manifests(), at, integration, datetime.now(UTC))
    with temporary_folder() as folder:
        path = folder / workspace.inventory_file().name
        build_past_file(history, latest, path)
        yield InventoryFile(path, latest, notes)


def fetch_file(workspace: Workspace, integration: str | None = None) -> Path:
    """Return the published file of an integration or of all, downloaded if necessary.

    Raises:
        InventoryError: nothing has been published yet, or nothing of that integration, or a program
            tried to change the copy of the file.
    """
    path = workspace.inventory_file(integration)
    if workspace.url is None:
        return path
    from pipelines.config.integration import NAME  # noqa: PLC0415 -- loads pydantic

    if integration and not re.fullmatch(NAME, integration):
        raise _unpublished(integration, workspace.open_history().snapshots())
    with locked(workspace.publication_lock(integration)):
        if not open_backend(workspace).fetch(path):
            raise nothing_published(workspace, integration)
    refuse_log(path)
    return path


def nothing_published(workspace: Workspace, integration: str | None) -> InventoryError:
    """Return the error for a file in an object store that does not exist yet."""
    location = workspace.location(workspace.inventory_file(integration))
    message = f"{location}: {NOT_PUBLISHED}"
    known = workspace.open_history().snapshots()
    if integration and integration not in known:
        return _unpublished(integration, known)
    if integration is None and known:
        remedy = "Run `jumpcloud-inventory combine` to build it from the integrations"
    else:
        remedy = PUBLISH
    return InventoryError(f"{message}. {remedy}")


def _unpublished(integration: str, known: Iterable[str]) -> InventoryError:
    names = ", ".join(sorted(known)) or "none"
    return InventoryError(f"no integration {integration!r} was published; there are: {names}")
