"""Finds past snapshots, and makes the file anew as it was published with one of them."""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import timedelta
from itertools import groupby
from pathlib import Path

from pipelines.errors import InventoryError
from pipelines.load.duckdb_file import build_duckdb_file
from pipelines.load.history import History
from pipelines.load.manifest import Manifest

NEAREST = 2  # on either side


def find_snapshot(manifests: Sequence[Manifest], snapshot_id: str) -> Manifest:
    """The snapshot of that id, with its tables.

    Args:
        manifests: where to look, oldest first.
        snapshot_id: its id.

    Raises:
        InventoryError: there is none, several integrations have one, or retention has removed its
            tables; the message names the nearest that have theirs.
    """
    found = [each for each in manifests if each.snapshot_id == snapshot_id]
    if not found:
        near = _nearest(manifests, snapshot_id)
        raise InventoryError(f"there is no snapshot {snapshot_id!r}; the nearest: {near}")
    if len(found) > 1:
        names = ", ".join(each.integration.name for each in found)
        raise InventoryError(
            f"several integrations have a snapshot {snapshot_id}: {names}; "
            "name one with --integration"
        )
    (snapshot,) = found
    if not snapshot.has_tables:
        name = snapshot.integration.name
        own = [each for each in manifests if each.integration.name == name]
        raise InventoryError(
            f"the tables of snapshot {snapshot_id} of {name} were removed, as keep_snapshots says; "
            f"the nearest that are kept: {_nearest(own, snapshot_id)}"
        )
    return snapshot


def build_past_file(history: History, snapshot: Manifest, path: Path) -> list[Manifest]:
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
        last = _latest_with(snapshot, own)
        if last:
            past[name] = [each.snapshot_id for each in own[: own.index(last) + 1]]
            latest.append(last)
    build_duckdb_file(history, path, past)
    return latest


def _latest_with(snapshot: Manifest, own: Sequence[Manifest]) -> Manifest | None:
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


def _nearest(manifests: Sequence[Manifest], snapshot_id: str) -> str:
    """The ids before and after it, in the order of time, which is that of the text."""
    ids = sorted({each.snapshot_id for each in manifests if each.has_tables})
    place = bisect_left(ids, snapshot_id)
    return ", ".join(ids[max(place - NEAREST, 0) : place + NEAREST]) or "none"
