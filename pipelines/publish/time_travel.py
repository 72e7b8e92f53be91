"""Rebuild the published file as of a past snapshot."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from pipelines.history.manifest import Manifest
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import build_duckdb_file


def build_past_file(store: SnapshotStore, snapshot: Manifest, path: Path) -> list[Manifest]:
    """Build the file as it was when a snapshot was published.

    Other integrations appear as they were published at that time. If retention has removed the
    tables of such a snapshot, the nearest in time that has its tables is used.

    Args:
        store: the store that holds the snapshots.
        snapshot: a snapshot that has its tables.
        path: the new file.

    Returns:
        The latest snapshot of each integration in the file.

    Raises:
        InventoryError: files of a snapshot are missing or damaged.
    """
    snapshots: dict[str, list[str]] = {}
    latest = []
    for name, group in groupby(store.manifests(), key=lambda manifest: manifest.integration.name):
        own = list(group)
        last = snapshot if name == snapshot.integration.name else _find_past_snapshot(snapshot, own)
        if last:
            snapshots[name] = [manifest.snapshot_id for manifest in own[: own.index(last) + 1]]
            latest.append(last)
    build_duckdb_file(store, path, snapshots)
    return latest


def _find_past_snapshot(snapshot: Manifest, own: Sequence[Manifest]) -> Manifest | None:
    """Return an integration's latest snapshot when another integration published its own."""
    time = snapshot.pull.finished_at
    published = [manifest for manifest in own if manifest.pull.finished_at <= time]
    if not published or published[-1].has_tables:
        return published[-1] if published else None
    with_tables = [manifest for manifest in own if manifest.has_tables]
    return min(with_tables, key=lambda manifest: abs(manifest.pull.finished_at - time))
