"""Keep one partition per integration of the settings."""

import dagster as dg

from assets_defs.partitions import INTEGRATIONS, NAME
from pipelines.errors import SettingsError
from pipelines.extract.discovery import resolved_settings
from pipelines.workspace import Workspace

INTERVAL_SECONDS = 30


@dg.sensor(
    name="integrations_of_settings",  # the name of version 0.1, under which Dagster has its state
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keep one partition per integration of the settings file",
)
def sync_partitions(
    context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
) -> dg.SensorResult:
    """Add the partitions of new integrations, and delete those of removed ones."""
    try:
        names = [integration.name for integration in resolved_settings(workspace).integration]
    except SettingsError as error:
        return dg.SensorResult(skip_reason=str(error))
    present = context.instance.get_dynamic_partitions(NAME)
    missing = [name for name in names if name not in present]
    removed = [name for name in present if name not in names]
    return dg.SensorResult(
        dynamic_partitions_requests=[
            *([INTEGRATIONS.build_add_request(missing)] if missing else []),
            *([INTEGRATIONS.build_delete_request(removed)] if removed else []),
        ],
        skip_reason=None if missing or removed else "the partitions match the settings",
    )
