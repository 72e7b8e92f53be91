"""The sensor that refreshes the integrations at the times of the settings.

Dagster loads the times of its own schedules once. This sensor reads them from the settings, so that
a new one needs no reload.
"""

import logging
from datetime import UTC, datetime

import dagster as dg

from assets_defs.asset_keys import AssetKeys
from assets_defs.partitions import PARTITION_TAG, add_partitions
from assets_defs.runs.ownership import OwnRuns
from assets_defs.runs.scheduling import REFRESH_SENSOR, find_switched_off
from assets_defs.runs.stale import UNFINISHED_STATUSES, fail_runs_without_lock
from assets_defs.runs.ticks import last_tick
from pipelines.config.integration import Integration
from pipelines.errors import SettingsError
from pipelines.extract.discovery import expand_settings, refresh_organizations
from pipelines.workspace import Workspace

RUN_KEY_TAG = "dagster/run_key"


def refresh_due(context: dg.SensorEvaluationContext, *, workspace: Workspace) -> dg.SensorResult:
    """Request the runs that are due since the last evaluation; its time is the cursor."""
    now = datetime.now(UTC)
    since = datetime.fromisoformat(context.cursor) if context.cursor else now
    return request_runs(context.instance, workspace, since, now, context.log)


def request_runs(
    instance: dg.DagsterInstance,
    workspace: Workspace,
    since: datetime,
    now: datetime,
    log: logging.Logger,
) -> dg.SensorResult:
    """Request a run of each integration with a tick after one time and until another.

    Of several ticks, only the last one runs; after a failure, those since the last success count.

    Raises:
        dg.Failure: the settings are wrong.
    """
    try:
        settings = workspace.settings()
    except SettingsError as error:
        raise dg.Failure(str(error)) from None
    schedules = {one.schedule for one in settings.integration}
    ticks = {time: tick for time in schedules if (tick := last_tick(time, now)) > since}
    due = [one for one in settings.integration if one.schedule in ticks]
    for failure in refresh_organizations([one for one in due if one.enabled], workspace.root):
        log.warning("%s", failure)
    known = expand_settings(settings, workspace.root).integration
    # The sensor that adds and deletes them is off in an instance of others.
    add_partitions(instance, AssetKeys(workspace.prefix), [one.name for one in known])
    requests, skipped = [], []
    for one in (one for one in known if one.schedule in ticks):
        key = f"{one.name}:{ticks[one.schedule].isoformat()}"
        reason = _skip_reason(instance, workspace, one, key)
        if reason:
            skipped.append(f"{one.name}: {reason}")
            log.info(skipped[-1])
        else:
            requests.append(dg.RunRequest(run_key=key, partition_key=one.name))
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else "; ".join(skipped) or "no integration is due",
        cursor=now.isoformat(),
    )


def _skip_reason(
    instance: dg.DagsterInstance, workspace: Workspace, integration: Integration, run_key: str
) -> str:
    """Return the reason why a tick does not run an integration; empty if it does.

    An integration without its key runs and fails, so that `status` and the alerts report it. The
    runs of an interrupted tick are requested again: Dagster starts those that it has not started.
    """
    if not integration.enabled:
        return "disabled in the settings"
    keys = AssetKeys(workspace.prefix)
    if find_switched_off(instance, keys, {integration.schedule}):
        sensor = keys.name(REFRESH_SENSOR)
        return f"its former schedule was switched off; switch {sensor} off and on to start it"
    fail_runs_without_lock(instance, workspace, integration.name)
    tags = {PARTITION_TAG: integration.name}
    chosen = dg.RunsFilter(tags=tags, statuses=list(UNFINISHED_STATUSES))
    runs = (record.dagster_run for record in OwnRuns(instance, keys).records(chosen))
    others = [run for run in runs if run.tags.get(RUN_KEY_TAG) != run_key]
    return "its last run is still in progress" if others else ""
