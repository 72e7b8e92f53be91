"""The findings as checks on their assets, so that the UI shows them."""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets_defs.asset_keys import INVENTORY_DUCKDB, table_key
from assets_defs.partitions import PARTITION_TAG
from pipelines.errors import InventoryError
from pipelines.findings.catalog import FINDINGS
from pipelines.findings.model import SCHEMA, Finding
from pipelines.publish.finding_counts import FindingCount, count_findings
from pipelines.workspace import Workspace

# Every run stores and prints them; the file has the rest of hundreds.
MAX_INTEGRATIONS = 10

_SPECS = [
    dg.AssetCheckSpec(
        finding.name,
        asset=table_key(finding.asset_type),
        additional_deps=[INVENTORY_DUCKDB],
        description=f"{finding.why} {finding.remedy}",
    )
    for finding in FINDINGS
]


# It counts all integrations, because the UI shows the latest result of a check, from any run.
@dg.multi_asset_check(name="findings", specs=_SPECS)
def findings(
    context: dg.AssetCheckExecutionContext, workspace: dg.ResourceParam[Workspace]
) -> Iterator[dg.AssetCheckResult]:
    """Warn of all findings in the published file. They stop neither the publication nor the run."""
    counted: set[str] = set()
    integration = context.op_execution_context.get_tag(PARTITION_TAG)
    try:
        for count in count_findings(workspace.inventory_file(integration)):
            counted.add(count.finding.name)
            yield _counted(count)
    except InventoryError as error:
        for finding in FINDINGS:
            if finding.name not in counted:
                yield _result(finding, f"not known: {error}", {}, passed=False)


def _counted(found: FindingCount) -> dg.AssetCheckResult:
    count, unknown = sum(found.counts.values()), _join(found.unanswerable)
    largest_first = sorted(found.counts.items(), key=lambda item: -item[1])
    counts = _join([f"{name} {number}" for name, number in largest_first])
    metadata: dict[str, str | int] = {"count": count}
    metadata |= {"by_integration": counts, "first": ", ".join(found.names)} if counts else {}
    metadata |= {"not_known_of": unknown} if unknown else {}
    summary = f"{counts}, in all {count}" if len(found.counts) > 1 else f"{count}"
    return _result(found.finding, summary, metadata, passed=count == 0)


def _join(items: Sequence[str]) -> str:
    more = len(items) - MAX_INTEGRATIONS
    return ", ".join(items[:MAX_INTEGRATIONS]) + (f" and {more} more" if more > 0 else "")


def _result(
    finding: Finding, summary: str, metadata: dict[str, str | int], *, passed: bool
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=finding.name,
        asset_key=table_key(finding.asset_type),
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{finding.title}: {summary} ({SCHEMA}.{finding.name})",
        metadata=metadata,
    )
