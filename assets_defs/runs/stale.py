"""Runs of which Dagster believes that they are under way, although their process was killed."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from assets_defs.partitions import PARTITION_TAG
from pipelines.storage.locks import HeldByAnotherError, is_held
from pipelines.workspace import Workspace

UNFINISHED_STATUSES = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


MAX_RETRIES_TAG = "dagster/max_retries"
# A run that waits in the queue has begun nothing.
STARTED_STATUSES = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
# A run that begins takes the integration's lock within seconds.
STARTUP_GRACE = timedelta(minutes=5)


def fail_runs_without_lock(
    instance: dg.DagsterInstance, workspace: Workspace, integration: str
) -> None:
    """Mark runs of the integration as failed that have begun, and do not hold its lock."""
    if not is_held(workspace.run_lock(integration)):
        _end(instance, integration, updated_before=datetime.now(UTC) - STARTUP_GRACE)


def fail_other_runs(instance: dg.DagsterInstance, integration: str, run_id: str) -> None:
    """Mark other runs of the integration as failed that have begun; this run holds its lock."""
    _end(instance, integration, but=run_id)


def require_no_remote_run(instance: dg.DagsterInstance, integration: str) -> None:
    """Go on only if no other machine has a run of the integration; of this one, its lock tells.

    Raises:
        HeldByAnotherError: one has.
    """
    chosen = dg.RunsFilter(statuses=list(STARTED_STATUSES), tags={PARTITION_TAG: integration})
    if _are_elsewhere(instance) and instance.get_runs_count(chosen):
        raise HeldByAnotherError(
            f"a run of integration {integration!r} is already in progress; "
            "try again when it has ended"
        )


def _are_elsewhere(instance: dg.DagsterInstance) -> bool:
    """Whether runs may be on other machines, which hold no lock of this one.

    Their launcher can say which of them live, and Dagster's run monitoring ends those that do not.
    """
    return instance.run_launcher.supports_check_run_worker_health


def _end(
    instance: dg.DagsterInstance,
    integration: str,
    updated_before: datetime | None = None,
    but: str = "",
) -> None:
    if _are_elsewhere(instance):
        return
    chosen = dg.RunsFilter(
        statuses=list(STARTED_STATUSES),
        tags={PARTITION_TAG: integration},
        updated_before=updated_before,
    )
    for run in instance.get_runs(chosen):
        if run.run_id != but:
            # Not retried: what ends it is about to pull the integration anew.
            instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
            instance.report_run_failed(run, "the process of this run was killed")
