"""Limit the size of Dagster's own records of runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from assets_defs.runs.stale import UNFINISHED_STATUSES

KEEP = timedelta(days=90)
INTERVAL_SECONDS = 3600
MAX_PER_TICK = 50  # Dagster gives a tick 60 seconds


@dg.sensor(
    name="forget_old_runs",  # the name of version 0.1, under which Dagster has its state
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Delete the records of runs older than {KEEP.days} days; their snapshots stay",
)
def purge_old_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Delete the records of the oldest runs, a few at each tick."""
    deleted = purge_runs(context.instance, datetime.now(UTC) - KEEP)
    return dg.SkipReason(f"{deleted} runs deleted")


def purge_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete ended runs that were created before a time, the oldest first.

    Returns:
        Number of runs, at most `MAX_PER_TICK`.
    """
    ended = [status for status in dg.DagsterRunStatus if status not in UNFINISHED_STATUSES]
    old = instance.get_run_records(
        dg.RunsFilter(statuses=ended, created_before=before), limit=MAX_PER_TICK, ascending=True
    )
    folder = Path(instance.root_directory) / "history" / "runs"
    for record in old:
        run_id = record.dagster_run.run_id
        instance.delete_run(run_id)
        # Dagster empties the run's file, but does not shrink it.
        for suffix in (".db", ".db-wal", ".db-shm"):
            (folder / f"{run_id}{suffix}").unlink(missing_ok=True)
    return len(old)
