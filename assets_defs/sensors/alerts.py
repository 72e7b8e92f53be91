"""Sensors that alert a webhook of failed runs and of late integrations."""

import json
import time
from datetime import UTC, datetime

import dagster as dg

from assets_defs.assets.integration_status import report_status
from assets_defs.partitions import PARTITION_TAG
from assets_defs.runs.failures import failure_message
from assets_defs.runs.freshness import enabled_since, is_late
from pipelines.errors import InventoryError
from pipelines.extract.discovery import resolved_settings
from pipelines.notifications import SENT, Alert, failure_alert, post
from pipelines.workspace import Workspace

WILL_RETRY_TAG = "dagster/will_retry"
INTERVAL_SECONDS = 600
MAX_POSTING_SECONDS = 30.0  # Dagster gives a tick 60 seconds


# It covers all jobs, because a run from the asset graph belongs to a job of Dagster's own. Dagster
# does not pass it the runs of the command line, which sends its own alerts.
@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,  # each tick covers one run
    description="Post the cause of a failed run to the webhook of the settings, once per run",
)
def alert_on_failure(
    context: dg.RunFailureSensorContext, workspace: dg.ResourceParam[Workspace]
) -> dg.SkipReason:
    """Report and post the cause of a failed run, unless Dagster retries it."""
    run, instance = context.dagster_run, context.instance
    if run.tags.get(WILL_RETRY_TAG) == "true":
        return dg.SkipReason("the run is retried")
    report_status(instance, workspace, instance.report_runless_asset_event)
    cause = failure_message(instance, run, workspace.root)
    alert = failure_alert(run.tags.get(PARTITION_TAG, ""), cause, run.run_id)
    return dg.SkipReason(post(alert, workspace))


@dg.sensor(
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Post late integrations that are enabled to the webhook of the settings, once each",
)
def alert_on_late(
    context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
) -> dg.SensorResult:
    """Post each integration that became late since the last tick."""
    notified: dict[str, str] = json.loads(context.cursor or "{}")
    try:
        late = _late_integrations(context.instance, workspace)
    except InventoryError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    notified = {name: since for name, since in notified.items() if late.get(name) == since}
    outcomes = []
    deadline = time.monotonic() + MAX_POSTING_SECONDS
    for name, since in late.items():
        if name in notified:
            continue
        outcome = post(_late_alert(name, since), workspace)
        outcomes.append(f"{name}: {outcome}")
        if outcome == SENT:
            notified[name] = since
        if outcome != SENT or time.monotonic() > deadline:
            break  # the next tick continues
    message = "; ".join(outcomes) or "no integration became late since the last alert"
    return dg.SensorResult(skip_reason=message, cursor=json.dumps(notified))


def _late_integrations(instance: dg.DagsterInstance, workspace: Workspace) -> dict[str, str]:
    """Return the time of the last success of each late integration, by name."""
    integrations = resolved_settings(workspace).integration
    enabled, now = enabled_since(instance, integrations), datetime.now(UTC)
    latest = workspace.open_history().latest_by_integration([one.name for one in integrations])
    successes = {name: last.pull.finished_at for name, last in latest.items() if last}
    return {
        one.name: successes[one.name].isoformat(timespec="seconds")
        for one in integrations
        if one.name in successes and is_late(one, successes[one.name], enabled.get(one.name), now)
    }


def _late_alert(name: str, since: str) -> Alert:
    cause = f"its last success was at {since}"
    remedy = "See `jumpcloud-inventory status`, and check that `jumpcloud-inventory ui` runs"
    return Alert(name, "late", cause, remedy)
