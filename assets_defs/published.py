"""What the commands that ask read from: the published file, or one of the past."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from assets_defs.publishing import fetched_file, unpublished
from pipelines.errors import InventoryError
from pipelines.load.history import EVERY
from pipelines.load.manifest import Manifest
from pipelines.load.past import build_past_file, find_snapshot
from pipelines.workspace import history, published_file


def manifests_of(integration: str | None) -> list[Manifest]:
    """The manifests of an integration's snapshots, or without one of all, oldest first.

    Raises:
        InventoryError: nothing has been published, or nothing of that integration.
    """
    past = history()
    known = past.snapshots()
    if not known:
        raise InventoryError(f"{past.place}: no inventory has been published here yet")
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
        yield fetched_file(integration)
        return
    snapshot = find_snapshot(manifests_of(integration), snapshot_id)
    with tempfile.TemporaryDirectory(prefix="jumpcloud-inventory-") as folder:
        path = Path(folder, published_file().name)
        for each in build_past_file(history(), snapshot, path):
            click.echo(f"{each.integration.name}: {each.snapshot_id}", err=True)
        yield path
