"""Rebuild the published file as of past snapshots."""

from collections.abc import Collection
from pathlib import Path

from pipelines.history.manifest import Manifest
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import build_duckdb_file


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
