"""Runs of which Dagster believes that they are under way, although their process was killed."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from assets_defs.partitions import PARTITION_TAG
from assets_defs.places import run_lock
from pipelines.locks import is_held

MAX_RETRIES_TAG = "dagster/max_retries"
# A run that waits in the queue has begun nothing.
BEGUN = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
# A run that begins takes the integration's lock within seconds.
BEGINNING = timedelta(minutes=5)


def end_runs_without_lock(instance: dg.DagsterInstance, integration: str) -> None:
    """Mark runs of the integration as failed that have begun, and do not hold its lock."""
    if not is_held(run_lock(integration)):
        _end(instance, integration, updated_before=datetime.now(UTC) - BEGINNING)


def end_runs_before(instance: dg.DagsterInstance, integration: str, run_id: str) -> None:
    """Mark other runs of the integration as failed that have begun; this run holds its lock."""
    _end(instance, integration, but=run_id)


def _end(
    instance: dg.DagsterInstance,
    integration: str,
    updated_before: datetime | None = None,
    but: str = "",
) -> None:
    chosen = dg.RunsFilter(
        statuses=list(BEGUN), tags={PARTITION_TAG: integration}, updated_before=updated_before
    )
    for run in instance.get_runs(chosen):
        if run.run_id != but:
            # Not retried: what ends it is about to pull the integration anew.
            instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
            instance.report_run_failed(run, "the process of this run was killed")
