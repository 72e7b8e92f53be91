"""In an object store: the file over all integrations, brought up to date a few times an hour."""

import dagster as dg

from assets_defs.automation import COMBINED
from assets_defs.keys import table_key
from assets_defs.partitions import OWNERS
from assets_defs.report import INVENTORY_DUCKDB
from assets_defs.steps import errors_as_failures
from pipelines.publish.publisher import combine
from pipelines.workspace import published_file, report_file, uri_of

COMBINE_JOB = "combine_integrations"
LEAST_SECONDS = 600


@dg.asset(
    key=table_key("inventory_of_all"),
    # No dependency: one would make a run of an integration wait for all partitions of the other.
    description="The DuckDB file over all integrations, and its report",
    group_name=COMBINED,
    kinds={"duckdb"},
    owners=OWNERS,
    code_version="1",
)
def inventory_of_all() -> dg.MaterializeResult[None]:
    """Fold what each integration has published since into the file over all."""
    with errors_as_failures():
        combine()
    return dg.MaterializeResult(
        metadata={
            "dagster/uri": uri_of(published_file()),
            "bytes": published_file().stat().st_size,
            "report": uri_of(report_file()),
        }
    )


combine_integrations = dg.define_asset_job(
    COMBINE_JOB, selection=[inventory_of_all], executor_def=dg.in_process_executor
)


@dg.asset_sensor(
    asset_key=INVENTORY_DUCKDB,
    job=combine_integrations,
    minimum_interval_seconds=LEAST_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Renews the file over all integrations where one has published since the last look",
)
def combine_what_was_published(
    _: dg.SensorEvaluationContext, event: dg.EventLogEntry
) -> dg.RunRequest:
    """One run for all that was published since."""
    return dg.RunRequest(run_key=f"{event.run_id}:{event.timestamp}")
