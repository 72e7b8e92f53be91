"""Delete Dagster's own records of old runs, which would grow without a bound."""

from datetime import datetime, timedelta
from itertools import chain, islice
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage

from assets_defs.runs.ownership import OwnRuns
from assets_defs.runs.stale import UNFINISHED_STATUSES
from pipelines.storage.locks import locked

MAX_RUN_AGE = timedelta(days=90)


def purge_runs(own: OwnRuns, before: datetime, limit: int) -> int:
    """Delete our ended runs that were created before a time, the oldest of a job first.

    Args:
        own: the runs.
        before: the time.
        limit: maximum number of runs, so that it takes little time.

    Returns:
        Number of runs.
    """
    ended = [status for status in dg.DagsterRunStatus if status not in UNFINISHED_STATUSES]
    by_job = (
        own.records(
            dg.RunsFilter(job_name=job, statuses=ended, created_before=before), ascending=True
        )
        for job in own.jobs
    )
    old = [one.dagster_run.run_id for one in islice(chain.from_iterable(by_job), limit)]
    if old:
        home = Path(own.instance.root_directory)
        # Two processes may have found the same runs.
        with locked(home / ".retention"):
            for run_id in old:
                _delete_run(own.instance, run_id, home / "history" / "runs")
    return len(old)


def _delete_run(instance: dg.DagsterInstance, run_id: str, folder: Path) -> None:
    _delete_check_results(instance, run_id)
    instance.delete_run(run_id)
    # Dagster empties the run's file, but does not shrink it.
    for suffix in (".db", ".db-wal", ".db-shm"):
        (folder / f"{run_id}{suffix}").unlink(missing_ok=True)


def _delete_check_results(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete the results of a run's checks, which Dagster keeps when it deletes the run."""
    storage, rows = instance.event_log_storage, AssetCheckExecutionsTable.c
    planned = dg.DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED
    events = [entry.get_dagster_event() for entry in instance.all_logs(run_id, of_type=planned)]
    checks = [event.asset_check_planned_data for event in events]
    if checks and isinstance(storage, SqlEventLogStorage):
        with storage.index_connection() as connection:
            connection.execute(
                # The index has asset, check and run. The run alone would read the whole table.
                AssetCheckExecutionsTable.delete().where(
                    rows.asset_key.in_({check.asset_key.to_string() for check in checks}),
                    rows.check_name.in_({check.check_name for check in checks}),
                    rows.run_id == run_id,
                )
            )
