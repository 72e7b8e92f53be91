"""Start the job over all integrations after one of them has published."""

import dagster as dg

from assets_defs.asset_keys import INVENTORY_DUCKDB
from assets_defs.jobs import combine_integrations

MIN_INTERVAL_SECONDS = 600


@dg.asset_sensor(
    name="combine_what_was_published",  # the name of version 0.1, under which Dagster has its state
    asset_key=INVENTORY_DUCKDB,
    job=combine_integrations,
    minimum_interval_seconds=MIN_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Update the file over all integrations after one of them has published",
)
def combine_on_publication(_: dg.SensorEvaluationContext, event: dg.EventLogEntry) -> dg.RunRequest:
    """Request one run for everything published since the last one."""
    return dg.RunRequest(run_key=f"{event.run_id}:{event.timestamp}")
