"""The applied integrations as an asset, so that the UI shows them all in one table."""

import hashlib
import textwrap

import dagster as dg

from assets_defs.assets.integration_status import STATUS
from assets_defs.runs.freshness import enabled_since
from assets_defs.runs.status import COLUMNS, IntegrationStatus, read_statuses, status_rows
from pipelines.errors import InventoryError, printable
from pipelines.extract.discovery import resolved_settings
from pipelines.workspace import Workspace

INTERVAL_SECONDS = 30
MAX_ERROR_LENGTH = 300  # the rest is on the run's page


@dg.sensor(
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keeps the table of the applied integrations current",
)
def report_status(
    context: dg.SensorEvaluationContext, workspace: dg.ResourceParam[Workspace]
) -> dg.SensorResult:
    """Report the table whenever it is another one than before."""
    try:
        integrations = resolved_settings(workspace).integration
        since = enabled_since(context.instance, integrations)
        statuses = read_statuses(context.instance, workspace, integrations, since)
    except InventoryError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    errors = map(_error, statuses)
    rows = [(*row, error) for row, error in zip(status_rows(statuses), errors, strict=True)]
    digest = hashlib.sha256(repr(rows).encode()).hexdigest()
    if digest == context.cursor:
        return dg.SensorResult(skip_reason="nothing changed", cursor=digest)
    columns = (*COLUMNS, "error")
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows]
    schema = dg.TableSchema([dg.TableColumn(name) for name in columns])
    table = dg.MetadataValue.table(records, schema)
    event = dg.AssetMaterialization(STATUS.key, metadata={"integrations": table})
    return dg.SensorResult(asset_events=[event], cursor=digest)


def _error(status: IntegrationStatus) -> str:
    """Why the last run failed, in one line; the UI shows a cell as text, whatever is in it."""
    words = status.last_run.words if status.last_run else ""
    return printable(textwrap.shorten(words, MAX_ERROR_LENGTH, placeholder=" …"))
