"""Keep one partition per integration of the settings."""

import dagster as dg

from assets_defs.partitions import partition_requests
from assets_defs.schedules import FOLLOW_SECONDS
from pipelines.errors import SettingsError
from pipelines.workspace import Workspace


@dg.sensor(
    minimum_interval_seconds=FOLLOW_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps one partition per integration of the settings file",
)
def integrations_of_settings(
    context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
) -> dg.SensorResult:
    """Add partitions of new integrations, and take away those that are gone."""
    try:
        requests = partition_requests(context.instance, workspace)
    except SettingsError as error:
        return dg.SensorResult(skip_reason=str(error))
    return dg.SensorResult(
        dynamic_partitions_requests=requests,
        skip_reason=None if requests else "the partitions are those of the settings",
    )
