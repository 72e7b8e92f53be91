"""Which past snapshots keep their tables, and the removal of the others'."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pipelines.config.settings import KeepSnapshots
from pipelines.history.store import SnapshotStore

# What `diff` compares is never removed.
NEWEST = 2


def snapshots_to_keep(starts: Mapping[str, datetime], keep: KeepSnapshots) -> frozenset[str]:
    """The ids of the snapshots that keep their tables, always the newest two among them.

    Days without a snapshot do not count: were age measured by the clock, the first pull after a
    long outage would remove what was there before it.

    Args:
        starts: when the pull of each snapshot started, oldest first.
        keep: what the settings say.
    """
    days = {each: start.astimezone(UTC).date() for each, start in starts.items()}
    recent_days = {*sorted({*days.values()})[-keep.all_for_days :]}
    kept = {*list(starts)[-NEWEST:]} | {each for each in starts if days[each] in recent_days}
    if keep.then == "monthly":
        # Of equal keys a dict keeps the last: from the newest to the oldest, that is the first.
        firsts = {days[each].replace(day=1): each for each in reversed(days)}
        kept |= {*firsts.values()}
    return frozenset(kept)


def expire_snapshots(history: SnapshotStore, integration: str, keep: KeepSnapshots) -> None:
    """Remove the tables of the integration's snapshots that need not be kept.

    What tells of all pulls stays: `changes`, and with it first sight, `completeness` and
    `snapshots`. The manifest is written first: after a crash, the files that it names no more are
    swept. The caller holds the publication lock.
    """
    whole = [each for each in history.manifests(integration) if each.has_tables]
    kept = snapshots_to_keep({each.snapshot_id: each.pull.started_at for each in whole}, keep)
    for manifest in whole:
        if manifest.snapshot_id not in kept:
            history.commit(manifest.without_tables())
    history.sweep(integration)
