"""The findings as checks on the assets that they are about, so that the UI shows them."""

from collections.abc import Iterator, Sequence

import dagster as dg

from assets_defs.asset_keys import INVENTORY_DUCKDB, table_key
from assets_defs.partitions import PARTITION_TAG
from pipelines.errors import InventoryError
from pipelines.findings.catalog import FINDINGS
from pipelines.findings.model import SCHEMA, Finding
from pipelines.publish.finding_counts import FindingCount, count_findings
from pipelines.workspace import Workspace

# Every run stores them, and prints a line of them: of hundreds the file has the rest.
MAX_INTEGRATIONS = 10

_SPECS = [
    dg.AssetCheckSpec(
        each.name,
        asset=table_key(each.asset_type),
        additional_deps=[INVENTORY_DUCKDB],
        description=f"{each.why} {each.remedy}",
    )
    for each in FINDINGS
]


# Of all integrations: the UI shows of a check its latest result, whichever run it came from.
@dg.multi_asset_check(name="findings", specs=_SPECS)
def findings(
    context: dg.AssetCheckExecutionContext, workspace: dg.ResourceParam[Workspace]
) -> Iterator[dg.AssetCheckResult]:
    """Warn of whatever the published file finds; what is published stays, and so does the run."""
    told: set[str] = set()
    try:
        for found in count_findings(
            workspace.inventory_file(context.op_execution_context.get_tag(PARTITION_TAG))
        ):
            told.add(found.finding.name)
            yield _told(found)
    except InventoryError as error:
        for finding in FINDINGS:
            if finding.name not in told:
                yield _result(finding, f"not known: {error}", {}, passed=False)


def _told(found: FindingCount) -> dg.AssetCheckResult:
    count, unknown = sum(found.counts.values()), _listed(found.unanswerable)
    most = sorted(found.counts.items(), key=lambda one: -one[1])
    counts = _listed([f"{name} {number}" for name, number in most])
    metadata: dict[str, str | int] = {"count": count}
    metadata |= {"by_integration": counts, "first": ", ".join(found.names)} if counts else {}
    metadata |= {"not_known_of": unknown} if unknown else {}
    words = f"{counts}, in all {count}" if len(found.counts) > 1 else f"{count}"
    return _result(found.finding, words, metadata, passed=count == 0)


def _listed(words: Sequence[str]) -> str:
    more = len(words) - MAX_INTEGRATIONS
    return ", ".join(words[:MAX_INTEGRATIONS]) + (f" and {more} more" if more > 0 else "")


def _result(
    finding: Finding, words: str, metadata: dict[str, str | int], *, passed: bool
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=finding.name,
        asset_key=table_key(finding.asset_type),
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{finding.title}: {words} ({SCHEMA}.{finding.name})",
        metadata=metadata,
    )
