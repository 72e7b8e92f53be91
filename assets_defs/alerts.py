"""Sensors that tell a webhook of runs that failed and of integrations that are late."""

import json
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets_defs.automation import PARTITION_TAG, refresh_inventory
from assets_defs.failures import failure_in_words
from assets_defs.places import history
from pipelines.alerts import Alert, send_alert
from pipelines.organizations import applied_settings
from pipelines.settings import Integration, SettingsError

WILL_RETRY_TAG = "dagster/will_retry"
GRACE = timedelta(hours=1)
LOOK_SECONDS = 600


@dg.run_failure_sensor(
    monitored_jobs=[refresh_inventory],
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
    description="Tells the webhook of the settings why a run failed, once per run",
)
def alert_on_failure(context: dg.RunFailureSensorContext) -> dg.SkipReason:
    """Post the cause of a failed run that is not tried again."""
    run = context.dagster_run
    if run.tags.get(WILL_RETRY_TAG) == "true":
        return dg.SkipReason("the run is tried again")
    name = run.tags.get(PARTITION_TAG, "")
    cause = failure_in_words(context.instance, run)
    return dg.SkipReason(_sent(Alert(name, "failed", cause, run.run_id)))


@dg.sensor(
    minimum_interval_seconds=LOOK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tells the webhook of the settings which enabled integrations are late, once each",
)
def alert_on_late(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Post each integration that went too long without a success since the last post."""
    told: dict[str, str] = json.loads(context.cursor or "{}")
    now = datetime.now(UTC)
    try:
        integrations = applied_settings().integration
    except SettingsError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    late = {e.name: since for e in integrations if (since := late_since(e, now)) is not None}
    new = {name: since for name, since in late.items() if told.get(name) != since}
    said = [f"{name}: {_sent(_late_alert(name, since))}" for name, since in new.items()]
    words = "; ".join(said) or "nothing is late that was not told already"
    return dg.SensorResult(skip_reason=words, cursor=json.dumps(late))


def late_since(integration: Integration, now: datetime) -> str | None:
    """The last success of an enabled integration, where two ticks passed since; else None.

    At every 12 hours, that is up to 25 hours ago. What never succeeded is told when its runs fail.
    """
    last = history().latest(integration.name)
    if not integration.enabled or last is None:
        return None
    schedule = integration.schedule
    second_tick = schedule.next_after(schedule.next_after(last.pull.finished_at))
    return (
        last.pull.finished_at.isoformat(timespec="seconds") if now > second_tick + GRACE else None
    )


def _late_alert(name: str, since: str) -> Alert:
    cause = f"its last success was at {since}; see `jumpcloud-inventory status`, and whether the "
    return Alert(name, "late", cause + "Dagster daemon runs")


def _sent(alert: Alert) -> str:
    try:
        return send_alert(alert, applied_settings())
    except SettingsError as error:
        return f"not sent: {error}"
