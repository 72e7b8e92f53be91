"""The job that refreshes one integration, and a schedule for each."""

import zlib

import dagster as dg

from assets_defs.partitions import SETTINGS
from pipelines.credentials import credentials_of
from pipelines.settings import SettingsError, load_settings

REFRESH_JOB = "refresh_inventory"

refresh_inventory = dg.define_asset_job(
    REFRESH_JOB,
    selection=dg.AssetSelection.all(),
    description="Pull one organisation, join its tables and publish them",
    # The assets of one integration form a chain: a process per step would only add start-up.
    executor_def=dg.in_process_executor,
)


def schedule_name(integration: str) -> str:
    """The schedule's name: Dagster takes no dash, so a name with one gets a suffix of its own."""
    if "-" not in integration:
        return f"refresh_{integration}"
    return f"refresh_{integration.replace('-', '_')}_{zlib.crc32(integration.encode()):08x}"


def _minute(integration: str) -> int:
    """A minute of the hour that stays the same, so that many do not start at once."""
    return zlib.crc32(integration.encode()) % 60


def _schedule(name: str) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=schedule_name(name),
        job=refresh_inventory,
        cron_schedule=f"{_minute(name)} */12 * * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Refresh the inventory of {name} every 12 hours",
    )
    def refresh(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        # Read anew at each tick, so that a switch in the file counts without a restart.
        try:
            integration = load_settings().named(name)
            if not integration.enabled:
                return dg.SkipReason(f"integration {name!r} is disabled in the settings")
            credentials_of(integration)
        except SettingsError as error:
            return dg.SkipReason(str(error))
        tick = context.scheduled_execution_time.isoformat()
        return dg.RunRequest(run_key=f"{name}:{tick}", partition_key=name)

    return refresh


SCHEDULES = [_schedule(integration.name) for integration in SETTINGS.integration]
