"""Find a snapshot by its id."""

from bisect import bisect_left
from collections.abc import Sequence

from pipelines.errors import InventoryError
from pipelines.history.manifest import Manifest

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


def _nearest(manifests: Sequence[Manifest], snapshot_id: str) -> str:
    """The ids before and after it, in the order of time, which is that of the text."""
    ids = sorted({each.snapshot_id for each in manifests if each.has_tables})
    place = bisect_left(ids, snapshot_id)
    return ", ".join(ids[max(place - NEAREST, 0) : place + NEAREST]) or "none"
