"""The sensors: alerts, partitions of the settings, the combined file and retention of runs."""

import json
import time
from datetime import UTC, datetime
from functools import partial
from itertools import product

import dagster as dg

from assets_defs.asset_keys import AssetKeys
from assets_defs.assets.integration_status import report_status
from assets_defs.jobs import COMBINE_JOB, REFRESH_JOB
from assets_defs.partitions import PARTITION_TAG, build_partitions
from assets_defs.runs.alerting import AlertRecord, send_success
from assets_defs.runs.failures import failure_message
from assets_defs.runs.foreground import TERMINAL_TAG
from assets_defs.runs.freshness import enabled_since, is_late
from assets_defs.runs.instance import is_own_home
from assets_defs.runs.ownership import OwnRuns
from assets_defs.runs.retention import MAX_RUN_AGE, purge_runs
from assets_defs.runs.scheduling import REFRESH_SENSOR
from assets_defs.schedules import refresh_due
from pipelines.alerts.alert import Alert, failure_alert
from pipelines.alerts.send import describe, is_sent, send_failure, send_to
from pipelines.config.settings import ALERT_WEBHOOK
from pipelines.errors import InventoryError, SettingsError
from pipelines.extract.discovery import resolved_settings
from pipelines.workspace import Workspace

WILL_RETRY_TAG = "dagster/will_retry"
# Dagster gives a tick 60 seconds.
MAX_POSTING_SECONDS = 30.0
MAX_RUNS_PER_TICK = 50


def build_sensors(workspace: Workspace, *, is_scheduled: bool) -> list[dg.SensorDefinition]:
    """Return the sensors. The names are those of version 0.1, under which Dagster has their state.

    They are switched on by default only in the data directory's own instance.

    Args:
        workspace: where the inventory is.
        is_scheduled: False to leave the sensor off that starts the runs of the schedules.
    """
    name = AssetKeys(workspace.prefix).name
    status = _status(is_on=is_own_home(workspace))
    sensors = [
        _refresh_sensor(workspace, is_on=is_scheduled and is_own_home(workspace)),
        dg.sensor(
            name=name("integrations_of_settings"),
            minimum_interval_seconds=30,
            default_status=status,
            description="Keep one partition per integration of the settings file",
        )(partial(sync_partitions, workspace=workspace)),
        *_alert_sensors(workspace, status),
        dg.sensor(
            name=name("forget_old_runs"),
            minimum_interval_seconds=3600,
            default_status=status,
            description=f"Delete runs older than {MAX_RUN_AGE.days} days; their snapshots stay",
        )(partial(purge_old_runs, workspace=workspace)),
    ]
    # Only an object store has a file for each integration, and one of all of them.
    return [*sensors, _combine_on_publication(workspace, status)] if workspace.url else sensors


def _alert_sensors(
    workspace: Workspace, status: dg.DefaultSensorStatus
) -> list[dg.SensorDefinition]:
    """Return the sensors that send alerts."""
    name = AssetKeys(workspace.prefix).name
    return [
        dg.run_failure_sensor(
            name=name("alert_on_failure"),
            minimum_interval_seconds=10,  # each tick covers one run
            default_status=status,
            description="Send the cause of a failed run to the alert targets, once each",
        )(partial(alert_on_failure, workspace=workspace)),
        dg.run_status_sensor(
            run_status=dg.DagsterRunStatus.SUCCESS,
            name=name("alert_on_success"),
            minimum_interval_seconds=10,  # as above
            default_status=status,
            description="Send recoveries and opened findings to the alert targets, once each",
        )(partial(alert_on_success, workspace=workspace)),
        dg.sensor(
            name=name("alert_on_late"),
            minimum_interval_seconds=600,
            default_status=status,
            description="Send enabled integrations that are late to the alert targets, once each",
        )(partial(alert_on_late, workspace=workspace)),
    ]


def _refresh_sensor(workspace: Workspace, *, is_on: bool) -> dg.SensorDefinition:
    name = AssetKeys(workspace.prefix).name
    return dg.sensor(
        name=name(REFRESH_SENSOR),
        job_name=name(REFRESH_JOB),
        minimum_interval_seconds=30,
        default_status=_status(is_on=is_on),
        description="Refresh each enabled integration at the times of its schedule in the settings",
    )(partial(refresh_due, workspace=workspace))


def _status(*, is_on: bool) -> dg.DefaultSensorStatus:
    return dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED


# It covers all jobs, because a run from the asset graph belongs to a job of Dagster's own.
def alert_on_failure(context: dg.RunFailureSensorContext, *, workspace: Workspace) -> dg.SkipReason:
    """Report and post the cause of a failed run, unless Dagster retries it."""
    run, instance = context.dagster_run, context.instance
    if not OwnRuns(instance, AssetKeys(workspace.prefix)).includes(run):
        return dg.SkipReason("the run is not one of the inventory")
    if run.tags.get(TERMINAL_TAG) == run.run_id:
        return dg.SkipReason("the terminal that started the run reports it")
    if run.tags.get(WILL_RETRY_TAG) == "true":
        return dg.SkipReason("the run is retried")
    report_status(instance, workspace, instance.report_runless_asset_event)
    cause = failure_message(instance, run, workspace.root)
    name = run.tags.get(PARTITION_TAG, "")
    outcomes = send_failure(failure_alert(name, cause, run.run_id), workspace)
    AlertRecord(instance, workspace, name).add_failed(outcomes)
    return dg.SkipReason(describe(outcomes))


def alert_on_success(context: dg.RunStatusSensorContext, *, workspace: Workspace) -> dg.SkipReason:
    """Send that an integration works again, and the findings that opened."""
    run, instance = context.dagster_run, context.instance
    if not OwnRuns(instance, AssetKeys(workspace.prefix)).includes(run):
        return dg.SkipReason("the run is not one of the inventory")
    if run.tags.get(TERMINAL_TAG) == run.run_id:
        return dg.SkipReason("the terminal that started the run reports it")
    run_ids = {run.run_id, run.root_run_id or run.run_id}
    outcome = send_success(instance, workspace, run.tags.get(PARTITION_TAG, ""), run_ids)
    return dg.SkipReason(outcome or "nothing to send")


def alert_on_late(context: dg.SensorEvaluationContext, *, workspace: Workspace) -> dg.SensorResult:
    """Send each integration that became late since the last tick."""
    notified: dict[str, str] = json.loads(context.cursor or "{}")
    try:
        late = _late_integrations(context.instance, workspace)
        targets = [one for one in workspace.settings().alert_targets if one.failures]
    except InventoryError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    # In version 0.1, the cursor had the time alone.
    notified = {
        key: since
        for key, since in notified.items()
        if late.get(key.partition("/")[0], "").endswith(since)
    }
    outcomes = []
    deadline = time.monotonic() + MAX_POSTING_SECONDS
    broken: set[str] = set()
    for name, target in product(late, targets):
        key = name if target.name == ALERT_WEBHOOK else f"{name}/{target.name}"
        # The next tick tries again a target that failed.
        if key in notified or target.name in broken or time.monotonic() > deadline:
            continue
        sent = send_to([target], _late_alert(name, late[name]), workspace)
        AlertRecord(context.instance, workspace, name).add_failed(sent)
        outcomes.append(f"{key}: {describe(sent)}")
        if is_sent(describe(sent)):
            notified[key] = late[name]
        else:
            broken.add(target.name)
    message = "; ".join(outcomes) or "no integration became late since the last alert"
    return dg.SensorResult(skip_reason=message, cursor=json.dumps(notified))


def _late_integrations(instance: dg.DagsterInstance, workspace: Workspace) -> dict[str, str]:
    """Return since when each late integration had no success, by name."""
    integrations = resolved_settings(workspace).integration
    enabled, now = enabled_since(instance, workspace, integrations), datetime.now(UTC)
    latest = workspace.open_history().latest_by_integration([one.name for one in integrations])
    successes = {name: last.pull.finished_at for name, last in latest.items() if last}
    late = [
        one.name
        for one in integrations
        if is_late(one, successes.get(one.name), enabled.get(one.name), now)
    ]
    return {
        name: f"its last success was at {successes[name].isoformat(timespec='seconds')}"
        if name in successes
        else f"it had no success since {enabled[name].isoformat(timespec='seconds')}"
        for name in late
    }


def _late_alert(name: str, cause: str) -> Alert:
    remedy = "See `jumpcloud-inventory status`, and check that `jumpcloud-inventory ui` runs"
    return Alert(name, "late", cause, remedy)


def sync_partitions(
    context: dg.SensorEvaluationContext, *, workspace: Workspace
) -> dg.SensorResult:
    """Add the partitions of new integrations, and delete those of removed ones."""
    try:
        names = [integration.name for integration in resolved_settings(workspace).integration]
    except SettingsError as error:
        return dg.SensorResult(skip_reason=str(error))
    integrations = build_partitions(workspace)
    present = context.instance.get_dynamic_partitions(str(integrations.name))
    missing = [name for name in names if name not in present]
    removed = [name for name in present if name not in names]
    return dg.SensorResult(
        dynamic_partitions_requests=[
            *([integrations.build_add_request(missing)] if missing else []),
            *([integrations.build_delete_request(removed)] if removed else []),
        ],
        skip_reason=None if missing or removed else "the partitions match the settings",
    )


def _combine_on_publication(
    workspace: Workspace, status: dg.DefaultSensorStatus
) -> dg.SensorDefinition:
    keys = AssetKeys(workspace.prefix)

    @dg.asset_sensor(
        name=keys.name("combine_what_was_published"),
        asset_key=keys.inventory_duckdb,
        job_name=keys.name(COMBINE_JOB),
        minimum_interval_seconds=600,
        default_status=status,
        description="Update the file over all integrations after one of them has published",
    )
    def combine_on_publication(
        _: dg.SensorEvaluationContext, event: dg.EventLogEntry
    ) -> dg.RunRequest:
        """Request one run for everything published since the last one."""
        return dg.RunRequest(run_key=f"{event.run_id}:{event.timestamp}")

    return combine_on_publication


def purge_old_runs(context: dg.SensorEvaluationContext, *, workspace: Workspace) -> dg.SkipReason:
    """Delete Dagster's own records of the oldest runs, a few at each tick."""
    own = OwnRuns(context.instance, AssetKeys(workspace.prefix))
    deleted = purge_runs(own, datetime.now(UTC) - MAX_RUN_AGE, MAX_RUNS_PER_TICK)
    return dg.SkipReason(f"{deleted} runs deleted")
