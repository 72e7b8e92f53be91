"""Find a snapshot by its id."""

from bisect import bisect_left
from collections.abc import Sequence

from pipelines.errors import InventoryError
from pipelines.history.manifest import Manifest

MAX_SUGGESTIONS = 2  # before and after the id


def find_snapshot(manifests: Sequence[Manifest], snapshot_id: str) -> Manifest:
    """Return the snapshot with this id. It has its tables.

    Args:
        manifests: the snapshots to search, oldest first.
        snapshot_id: id of the snapshot.

    Raises:
        InventoryError: the id is unknown or not unique, or the tables were removed. The message
            lists the nearest snapshots that have their tables.
    """
    found = [manifest for manifest in manifests if manifest.snapshot_id == snapshot_id]
    if not found:
        nearest = _nearest(manifests, snapshot_id)
        raise InventoryError(f"there is no snapshot {snapshot_id!r}; the nearest: {nearest}")
    names = [manifest.integration.name for manifest in found]
    if len(found) > 1:
        raise InventoryError(
            f"several integrations have a snapshot {snapshot_id}: {', '.join(names)}; "
            "choose one with --integration"
        )
    if not found[0].has_tables:
        own = [manifest for manifest in manifests if manifest.integration.name == names[0]]
        raise InventoryError(
            f"the tables of snapshot {snapshot_id} of {names[0]} were removed, because of "
            f"keep_snapshots; the nearest that are kept: {_nearest(own, snapshot_id)}"
        )
    return found[0]


def _nearest(manifests: Sequence[Manifest], snapshot_id: str) -> str:
    """Return the ids before and after the given one; the order of ids is the order of time."""
    ids = sorted({manifest.snapshot_id for manifest in manifests if manifest.has_tables})
    index = bisect_left(ids, snapshot_id)
    return ", ".join(ids[max(index - MAX_SUGGESTIONS, 0) : index + MAX_SUGGESTIONS]) or "none"
