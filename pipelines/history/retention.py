"""Expire old snapshots: choose those that keep their tables, and remove the tables of the rest."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pipelines.config.settings import KeepSnapshots
from pipelines.history.store import SnapshotStore

# `diff` compares the newest two by default.
MIN_KEPT = 2


def snapshots_to_keep(starts: Mapping[str, datetime], keep: KeepSnapshots) -> frozenset[str]:
    """Return the ids of the snapshots that keep their tables; always includes the newest two.

    Only days with a snapshot count. If age were measured by the clock, the first pull after a
    long outage would remove all older snapshots.

    Args:
        starts: start of the pull by snapshot id, oldest first.
        keep: the retention settings.
    """
    days = {snapshot_id: start.astimezone(UTC).date() for snapshot_id, start in starts.items()}
    recent_days = {*sorted({*days.values()})[-keep.all_for_days :]}
    kept = {snapshot_id for snapshot_id, day in days.items() if day in recent_days}
    kept |= {*list(starts)[-MIN_KEPT:]}
    if keep.then == "monthly":
        # A dict keeps the last of equal keys: in reverse order, the first snapshot of each month.
        firsts = {days[snapshot_id].replace(day=1): snapshot_id for snapshot_id in reversed(days)}
        kept |= {*firsts.values()}
    return frozenset(kept)


def expire_snapshots(store: SnapshotStore, integration: str, keep: KeepSnapshots) -> None:
    """Remove the tables of an integration's old snapshots.

    `changes`, `completeness` and `snapshots` of every pull are kept, and first-seen times with
    them. Snapshots are marked before files are removed: after a crash, the next call removes
    them as orphans. The caller holds the publication lock.
    """
    manifests = store.manifests_with_tables(integration)
    kept = snapshots_to_keep({m.snapshot_id: m.pull.started_at for m in manifests}, keep)
    expired = [one.snapshot_id for one in manifests if one.snapshot_id not in kept]
    if expired:
        store.expire(integration, expired)
    store.remove_orphan_files(integration)
