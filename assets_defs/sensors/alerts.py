"""Sensors that tell a webhook of runs that failed and of integrations that are late."""

import json
import time
from datetime import UTC, datetime

import dagster as dg

from assets_defs.partitions import PARTITION_TAG
from assets_defs.runs.failures import failure_message
from assets_defs.runs.freshness import enabled_since, is_late
from pipelines.config.integration import Integration
from pipelines.errors import InventoryError
from pipelines.extract.discovery import resolved_settings
from pipelines.history.manifest import Manifest
from pipelines.notifications import SENT, Alert, failure_alert, post
from pipelines.workspace import Workspace

WILL_RETRY_TAG = "dagster/will_retry"
INTERVAL_SECONDS = 600
# Dagster gives a look 60 seconds.
MAX_POSTING_SECONDS = 30.0


# Of all jobs: what a person starts from the asset graph is a job of Dagster's own. Dagster keeps
# from it the runs of the command line, which tells of its own.
@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    # Each look tells of one run.
    minimum_interval_seconds=10,
    description="Tells the webhook of the settings why a run failed, once per run",
)
def alert_on_failure(
    context: dg.RunFailureSensorContext, workspace: dg.ResourceParam[Workspace]
) -> dg.SkipReason:
    """Post the cause of a failed run that is not tried again."""
    run = context.dagster_run
    if run.tags.get(WILL_RETRY_TAG) == "true":
        return dg.SkipReason("the run is tried again")
    cause = failure_message(context.instance, run, workspace.root)
    alert = failure_alert(run.tags.get(PARTITION_TAG, ""), cause, run.run_id)
    return dg.SkipReason(post(alert, workspace))


@dg.sensor(
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the webhook of the settings which enabled integrations are late, once each",
)
def alert_on_late(
    context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
) -> dg.SensorResult:
    """Post each integration that went too long without a success since the last post."""
    told: dict[str, str] = json.loads(context.cursor or "{}")
    now = datetime.now(UTC)
    try:
        late = _late_ones(context.instance, workspace, now)
    except InventoryError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    told = {name: since for name, since in told.items() if late.get(name) == since}
    said = []
    until = time.monotonic() + MAX_POSTING_SECONDS
    for name, since in late.items():
        if name in told:
            continue
        result = post(_late_alert(name, since), workspace)
        said.append(f"{name}: {result}")
        if result == SENT:
            told[name] = since
        if result != SENT or time.monotonic() > until:
            break  # the next look goes on
    words = "; ".join(said) or "nothing is late that was not told already"
    return dg.SensorResult(skip_reason=words, cursor=json.dumps(told))


def _late_ones(instance: dg.DagsterInstance, workspace: Workspace, now: datetime) -> dict[str, str]:
    """The last success of each integration that is late."""
    integrations = resolved_settings(workspace).integration
    enabled = enabled_since(instance, integrations)
    latest = workspace.open_history().latest_by_integration([each.name for each in integrations])
    return {
        e.name: since
        for e in integrations
        if (since := _late_since(e, latest[e.name], enabled.get(e.name), now))
    }


def _late_since(
    integration: Integration, last: Manifest | None, enabled: datetime | None, now: datetime
) -> str | None:
    """The last success of an integration that is late; else None."""
    if last is None or not is_late(integration, last.pull.finished_at, enabled, now):
        return None
    return last.pull.finished_at.isoformat(timespec="seconds")


def _late_alert(name: str, since: str) -> Alert:
    cause = f"its last success was at {since}"
    remedy = "See `jumpcloud-inventory status`, and whether `jumpcloud-inventory ui` runs"
    return Alert(name, "late", cause, remedy)
