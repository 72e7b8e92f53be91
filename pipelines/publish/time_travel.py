"""Finds past snapshots, and makes the file anew as it was published with one of them."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from pathlib import Path

from pipelines.history.manifest import Manifest
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import build_duckdb_file


def build_file_at(history: SnapshotStore, snapshot: Manifest, path: Path) -> list[Manifest]:
    """Make the file as it was when the snapshot was published; the latest snapshots in it.

    Of another integration it holds what was published by then. Where retention has removed the
    tables of that snapshot, the one nearest in time takes its place.

    Args:
        history: where the snapshots are.
        snapshot: one that has its tables.
        path: the new file.

    Raises:
        InventoryError: files of the history are missing or damaged.
    """
    past: dict[str, list[str]] = {}
    latest = []
    for name, group in groupby(history.manifests(), key=lambda each: each.integration.name):
        own = list(group)
        last = _latest_published(snapshot, own)
        if last:
            past[name] = [each.snapshot_id for each in own[: own.index(last) + 1]]
            latest.append(last)
    build_duckdb_file(history, path, past)
    return latest


def _latest_published(snapshot: Manifest, own: Sequence[Manifest]) -> Manifest | None:
    """Which of an integration's snapshots was the latest when that snapshot was published."""
    if own[0].integration.name == snapshot.integration.name:
        return snapshot
    moment = snapshot.pull.finished_at
    published = [each for each in own if each.pull.finished_at <= moment]
    if not published or published[-1].has_tables:
        return published[-1] if published else None

    def distance(each: Manifest) -> timedelta:
        return abs(each.pull.finished_at - moment)

    return min((each for each in own if each.has_tables), key=distance)
