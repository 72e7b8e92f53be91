"""The report of what was published: written, linked from the published asset, and checked."""

from pathlib import Path

import dagster as dg
import duckdb

from assets_defs.keys import table_key
from assets_defs.resources import Metadata
from pipelines.errors import InventoryError
from pipelines.publish.publisher import renew_report
from pipelines.report.model import SEVERITIES, Facts
from pipelines.workspace import place_of, report_file

INVENTORY_DUCKDB = table_key("inventory_duckdb")
REPORT_CHECK = dg.AssetCheckSpec(
    "report_written",
    asset=INVENTORY_DUCKDB,
    description="`report.html` shows what was published; if not, what was before, until the next "
    "run or `jumpcloud-inventory rebuild`",
)


def report_of(log: dg.DagsterLogManager, integration: str) -> tuple[Metadata, dg.AssetCheckResult]:
    """Write the report; what the published asset shows of it, and whether that went well.

    Where it cannot be written, the inventory is published already, and stays so.
    """
    try:
        facts = renew_report(integration)
    except (InventoryError, OSError, duckdb.Error) as error:
        log.warning("published, but without a new report: %s", error)
        return {}, _check(f"{type(error).__name__}: {error}")
    (own,) = (each for each in facts if each.name == integration)
    return _shown(own, report_file(integration)), _check("")


def _check(failure: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=REPORT_CHECK.name,
        asset_key=INVENTORY_DUCKDB,
        passed=not failure,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"failure": failure} if failure else {},
    )


def _shown(facts: Facts, report: Path) -> Metadata:
    """Numbers, which the UI plots over time, and where the report is.

    A browser follows no link from a page of a server to a file: the address is there to be copied.
    """
    counts = {each.table: each.now for each in facts.counts if each.now is not None}
    findings = {f"findings_{each}": facts.count_of(each) for each in SEVERITIES}
    return {"report": dg.MetadataValue.path(place_of(report)), **counts, **findings}
