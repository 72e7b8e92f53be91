"""Find runs that are still in progress for Dagster although their process was killed."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from assets_defs.asset_keys import AssetKeys
from assets_defs.partitions import PARTITION_TAG
from assets_defs.runs.ownership import OwnRuns
from pipelines.storage.locks import HeldByAnotherError, is_held
from pipelines.workspace import Workspace

MAX_RETRIES_TAG = "dagster/max_retries"
STARTED_STATUSES = (
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)
UNFINISHED_STATUSES = (dg.DagsterRunStatus.QUEUED, *STARTED_STATUSES)
# A run takes the integration's lock within seconds of its start.
STARTUP_GRACE = timedelta(minutes=5)


def fail_runs_without_lock(
    instance: dg.DagsterInstance, workspace: Workspace, integration: str
) -> None:
    """Mark the started runs of an integration as failed, unless one of them holds its lock."""
    if not is_held(workspace.run_lock(integration)):
        own = OwnRuns(instance, AssetKeys(workspace.prefix))
        _fail(own, integration, updated_before=datetime.now(UTC) - STARTUP_GRACE)


def fail_other_runs(own: OwnRuns, integration: str, run_id: str) -> None:
    """Mark the other started runs of an integration as failed; this run holds its lock."""
    _fail(own, integration, except_run=run_id)


def require_no_remote_run(own: OwnRuns, integration: str) -> None:
    """Raise if another machine has a run of the integration; the lock covers this machine.

    Raises:
        HeldByAnotherError: another machine has one.
    """
    chosen = dg.RunsFilter(statuses=list(STARTED_STATUSES), tags={PARTITION_TAG: integration})
    if _may_run_elsewhere(own.instance) and any(own.records(chosen)):
        raise HeldByAnotherError(
            f"a run of integration {integration!r} is already in progress; "
            "try again when it has ended"
        )


def _may_run_elsewhere(instance: dg.DagsterInstance) -> bool:
    """Return True if runs may be on other machines, which hold no lock of this one.

    Their launcher can check which of them live, and Dagster's run monitoring ends the others.
    """
    return instance.run_launcher.supports_check_run_worker_health


def _fail(
    own: OwnRuns,
    integration: str,
    updated_before: datetime | None = None,
    except_run: str = "",
) -> None:
    instance = own.instance
    if _may_run_elsewhere(instance):
        return
    chosen = dg.RunsFilter(
        statuses=list(STARTED_STATUSES),
        tags={PARTITION_TAG: integration},
        updated_before=updated_before,
    )
    for record in own.records(chosen):
        run = record.dagster_run
        if run.run_id != except_run:
            # No retry: the caller is about to pull the integration again.
            instance.add_run_tags(run.run_id, {MAX_RETRIES_TAG: "0"})
            instance.report_run_failed(run, "the process of this run was killed")
