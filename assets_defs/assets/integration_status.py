"""The asset that shows the status of every integration in the UI."""

import logging
import textwrap
from collections.abc import Callable

import dagster as dg
from sqlalchemy.exc import SQLAlchemyError

from assets_defs.asset_keys import OWNERS, PUBLISHED, AssetKeys
from assets_defs.runs.freshness import enabled_since
from assets_defs.runs.status import COLUMNS, IntegrationStatus, read_statuses, status_row
from pipelines.errors import InventoryError, printable
from pipelines.extract.discovery import resolved_settings
from pipelines.workspace import Workspace

MAX_INTEGRATIONS = 50
MAX_ERROR_LENGTH = 300  # the rest is on the run's page
_log = logging.getLogger(__name__)


def build_status(keys: AssetKeys) -> dg.AssetSpec:
    """Return the asset that has no step: runs and sensors report it."""
    return dg.AssetSpec(
        key=keys.table("status"),
        description="The applied integrations: their runs, what they published, the next run (UTC)",
        group_name=PUBLISHED,
        kinds={"table"},
        owners=OWNERS,
    ).with_io_manager_key(keys.io_manager)


def report_status(
    instance: dg.DagsterInstance,
    workspace: Workspace,
    report: Callable[[dg.AssetMaterialization], None],
    ending_run_id: str = "",
) -> None:
    """Report the status of the integrations. A problem is logged: it must not fail a run.

    Args:
        instance: the source of truth for runs.
        workspace: where the inventory is.
        report: records the event.
        ending_run_id: run that has published and is about to end; shown as a success.
    """
    try:
        integrations = resolved_settings(workspace).integration
        since = enabled_since(instance, workspace, integrations)
        statuses = read_statuses(instance, workspace, integrations, since, ending_run_id)
        table = status_table(statuses)
        key = AssetKeys(workspace.prefix).table("status")
        report(dg.AssetMaterialization(key, metadata={"integrations": table}))
    except (InventoryError, OSError, SQLAlchemyError) as error:
        _log.warning("the status of the integrations was not reported: %s", error)


def status_table(statuses: list[IntegrationStatus]) -> dg.TableMetadataValue:
    """Return a table of at most 50 integrations, those that failed or are late first."""
    errors = {status.name: _error(status) for status in statuses}
    ordered = sorted(statuses, key=lambda status: not (errors[status.name] or status.late))
    columns = (*COLUMNS, "error")
    rows = [(*status_row(one), errors[one.name]) for one in ordered[:MAX_INTEGRATIONS]]
    if len(ordered) > MAX_INTEGRATIONS:
        more = f"and {len(ordered) - MAX_INTEGRATIONS} more: jumpcloud-inventory status"
        rows.append((more, *[""] * len(COLUMNS)))
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows]
    return dg.MetadataValue.table(records, dg.TableSchema([dg.TableColumn(c) for c in columns]))


def _error(status: IntegrationStatus) -> str:
    """Return the cause of the last run's failure as one line of plain text."""
    message = status.last_run.words if status.last_run else ""
    return printable(textwrap.shorten(message, MAX_ERROR_LENGTH, placeholder=" …"))
