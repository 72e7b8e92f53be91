"""Start the job over all integrations when one of them has published."""

import dagster as dg

from assets_defs.asset_keys import INVENTORY_DUCKDB
from assets_defs.jobs import combine_integrations

MIN_INTERVAL_SECONDS = 600


@dg.asset_sensor(
    asset_key=INVENTORY_DUCKDB,
    job=combine_integrations,
    minimum_interval_seconds=MIN_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Renews the file over all integrations where one has published since the last look",
)
def combine_what_was_published(
    _: dg.SensorEvaluationContext, event: dg.EventLogEntry
) -> dg.RunRequest:
    """One run for all that was published since."""
    return dg.RunRequest(run_key=f"{event.run_id}:{event.timestamp}")
