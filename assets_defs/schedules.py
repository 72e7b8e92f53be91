"""The schedules that refresh the integrations."""

from collections.abc import Iterator

import dagster as dg

from assets_defs.jobs import refresh_inventory
from assets_defs.partitions import PARTITION_TAG, add_partition
from assets_defs.runs.ownership import OwnRuns
from assets_defs.runs.stale import UNFINISHED_STATUSES, fail_runs_without_lock
from pipelines.config.integration import Integration
from pipelines.config.schedule import Schedule
from pipelines.config.settings import Settings
from pipelines.errors import SettingsError
from pipelines.extract.discovery import expand_settings, refresh_organizations
from pipelines.workspace import Workspace

RUN_KEY_TAG = "dagster/run_key"


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """Return one schedule for each cron expression and time zone of the settings."""
    times = dict.fromkeys([Schedule(), *(one.schedule for one in settings.integration)])
    return [_schedule(time) for time in times]


def schedule_name(time: Schedule) -> str:
    """Return the name of the schedule for a time."""
    if time == Schedule():
        return "refresh_every_12_hours"
    name = f"refresh {time.cron} {time.timezone}".replace("*", "x")
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def _schedule(time: Schedule) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=schedule_name(time),
        job=refresh_inventory,
        cron_schedule=time.cron,
        execution_timezone=time.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Refresh the enabled integrations with the schedule {time}",
    )
    def refresh(
        context: dg.ScheduleEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        # Read at each tick, so that a change of the file has effect without a restart.
        try:
            settings = workspace.settings()
        except SettingsError as error:
            yield dg.SkipReason(str(error))
            return
        due = [one for one in settings.integration if one.schedule == time and one.enabled]
        for failure in refresh_organizations(due, workspace.root):
            context.log.warning("%s", failure)
        tick = context.scheduled_execution_time.isoformat()
        skipped = []
        known = expand_settings(settings, workspace.root).integration
        integrations = [one for one in known if one.schedule == time]
        for integration in integrations:
            name, key = integration.name, f"{integration.name}:{tick}"
            reason = _skip_reason(context.instance, workspace, integration, key)
            if reason:
                skipped.append(f"{name}: {reason}")
                context.log.info(skipped[-1])
            else:
                # The integration may be newer than the last tick of the partition sensor.
                add_partition(context.instance, name)
                yield dg.RunRequest(run_key=key, partition_key=name)
        if len(skipped) == len(integrations):
            yield dg.SkipReason("; ".join(skipped) or "no integration has this schedule")

    return refresh


def _skip_reason(
    instance: dg.DagsterInstance, workspace: Workspace, integration: Integration, run_key: str
) -> str:
    """Return the reason why a tick does not run an integration; empty if it does.

    An integration without its key runs and fails, so that `status` and the alerts report it. The
    runs of an interrupted tick are requested again: Dagster starts those that it has not started.
    """
    if not integration.enabled:
        return "disabled in the settings"
    fail_runs_without_lock(instance, workspace, integration.name)
    tags = {PARTITION_TAG: integration.name}
    chosen = dg.RunsFilter(tags=tags, statuses=list(UNFINISHED_STATUSES))
    runs = (record.dagster_run for record in OwnRuns(instance).records(chosen))
    others = [run for run in runs if run.tags.get(RUN_KEY_TAG) != run_key]
    return "its last run is still in progress" if others else ""
