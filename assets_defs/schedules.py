"""The job that refreshes one integration, its schedules, and what keeps the partitions current."""

from collections.abc import Iterator

import dagster as dg

from assets_defs.jobs import refresh_inventory
from assets_defs.partitions import PARTITION_TAG, add_partition
from assets_defs.runs.stale import UNFINISHED_STATUSES, fail_runs_without_lock
from pipelines.config.integration import Integration
from pipelines.config.schedule import Schedule
from pipelines.config.settings import Settings
from pipelines.errors import SettingsError
from pipelines.extract.discovery import expand_settings, refresh_organizations
from pipelines.workspace import Workspace

RUN_KEY_TAG = "dagster/run_key"
FOLLOW_SECONDS = 30


def build_schedules(settings: Settings) -> list[dg.ScheduleDefinition]:
    """One schedule for each time that integrations are refreshed at."""
    times = dict.fromkeys([Schedule(), *(each.schedule for each in settings.integration)])
    return [_schedule(time) for time in times]


def schedule_name(time: Schedule) -> str:
    """Name of the schedule for a time."""
    if time == Schedule():
        return "refresh_every_12_hours"
    words = f"refresh {time.cron} {time.timezone}".replace("*", "x")
    return "".join(letter if letter.isalnum() else "_" for letter in words)


def _schedule(time: Schedule) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=schedule_name(time),
        job=refresh_inventory,
        cron_schedule=time.cron,
        execution_timezone=time.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Refresh the integrations that are enabled and set to {time}",
    )
    def refresh(
        context: dg.ScheduleEvaluationContext, workspace: dg.ResourceParam[Workspace]
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        # Read anew at each tick, so that a switch in the file counts without a restart.
        try:
            settings = workspace.settings()
        except SettingsError as error:
            yield dg.SkipReason(str(error))
            return
        due = [each for each in settings.integration if each.schedule == time and each.enabled]
        for failure in refresh_organizations(due, workspace.root):
            context.log.warning("%s", failure)
        integrations = [
            e for e in expand_settings(settings, workspace.root).integration if e.schedule == time
        ]
        tick = context.scheduled_execution_time.isoformat()
        keys = {each.name: f"{each.name}:{tick}" for each in integrations}
        reasons = {
            each.name: _skip_reason(context.instance, workspace, each, keys[each.name])
            for each in integrations
        }
        for name, reason in reasons.items():
            if reason:
                context.log.info("%s: %s", name, reason)
            else:
                # It may be newer than the last look of the sensor.
                add_partition(context.instance, name)
                yield dg.RunRequest(run_key=keys[name], partition_key=name)
        if all(reasons.values()):
            said = [f"{name}: {reason}" for name, reason in reasons.items()]
            yield dg.SkipReason("; ".join(said) or "no integration is set to this time")

    return refresh


def _skip_reason(
    instance: dg.DagsterInstance, workspace: Workspace, integration: Integration, run_key: str
) -> str:
    """Why a tick does not run the integration; empty where it does.

    What lacks its key runs: it fails, so that `status` and the alerts tell of it. A run of this
    tick itself is asked for again, where the tick was broken off: Dagster starts it, if it has not.
    """
    if not integration.enabled:
        return "disabled in the settings"
    fail_runs_without_lock(instance, workspace, integration.name)
    tags = {PARTITION_TAG: integration.name}
    chosen = dg.RunsFilter(tags=tags, statuses=list(UNFINISHED_STATUSES))
    others = [run for run in instance.get_runs(chosen) if run.tags.get(RUN_KEY_TAG) != run_key]
    return "its last run is still under way" if others else ""
