"""Keeps Dagster's own record of runs from growing for ever."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.event_log import SqlEventLogStorage, SqlEventLogStorageTable

from assets_defs.assets.integration_status import STATUS
from assets_defs.runs.stale import UNFINISHED_STATUSES

KEEP = timedelta(days=90)
KEEP_STATUS = timedelta(days=1)
INTERVAL_SECONDS = 3600
# Dagster gives a look 60 seconds.
MAX_PER_TICK = 50


@dg.sensor(
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Forgets runs of more than {KEEP.days} days ago; what they published stays",
)
def purge_old_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Forget the oldest runs, some at each look, and yesterday's tables of the integrations."""
    now = datetime.now(UTC)
    purge_status(context.instance, now - KEEP_STATUS)
    forgotten = purge_runs(context.instance, now - KEEP)
    return dg.SkipReason(f"{forgotten} runs forgotten")


def purge_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete runs that ended and were created before a time, the oldest first.

    Returns:
        How many; `MAX_PER_TICK` at most.
    """
    ended = [status for status in dg.DagsterRunStatus if status not in UNFINISHED_STATUSES]
    old = instance.get_run_records(
        dg.RunsFilter(statuses=ended, created_before=before), limit=MAX_PER_TICK, ascending=True
    )
    for record in old:
        run_id = record.dagster_run.run_id
        instance.delete_run(run_id)
        # Dagster empties the run's file, but leaves it at its size.
        for end in ("", "-wal", "-shm"):
            _event_files(instance, run_id).with_suffix(f".db{end}").unlink(missing_ok=True)
    return len(old)


def purge_status(instance: dg.DagsterInstance, before: datetime) -> None:
    """Delete what was reported of the asset `STATUS` before a time, but for the newest.

    Each report holds all integrations, belongs to no run, and is kept by Dagster for ever.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return
    newest = instance.fetch_materializations(STATUS.key, limit=1).records
    if not newest:
        return
    until = min(before, datetime.fromtimestamp(newest[0].timestamp, UTC))
    events = SqlEventLogStorageTable
    old = sa.and_(
        events.c.asset_key == STATUS.key.to_string(),
        events.c.timestamp < until.astimezone(UTC).replace(tzinfo=None),
    )
    # Dagster keeps each twice: by asset, and under the run that there is none of.
    for database in (storage.index_connection(), storage.run_connection(newest[0].run_id)):
        with database as connection:
            connection.execute(events.delete().where(old))


def _event_files(instance: dg.DagsterInstance, run_id: str) -> Path:
    return Path(instance.root_directory) / "history" / "runs" / f"{run_id}.db"
