"""The asset of the security findings, with a check for each of them.

A finding is a fact about the organization, not a fault of a table. On an asset of their own, the
findings leave the tables healthy.
"""

from collections.abc import Iterator

import dagster as dg

from assets_defs.asset_keys import OWNERS, PUBLISHED, AssetKeys
from assets_defs.assets.specs import FRESHNESS, with_example
from assets_defs.partitions import build_partitions
from pipelines.errors import InventoryError
from pipelines.findings.catalog import FINDINGS, SUMMARY, FindingCount, count_findings
from pipelines.findings.model import SCHEMA, Finding
from pipelines.publish.reader import open_bounded
from pipelines.workspace import Workspace

_DESCRIPTION = with_example(
    "Security findings in the published file, with a check for each",
    f"FROM {SCHEMA}.{SUMMARY.name} WHERE severity = 'high' ORDER BY count DESC;\n"
    f"FROM {SCHEMA}.{FINDINGS[0].name} ORDER BY since;",
)
_COLUMNS = [
    dg.TableColumn(name, "BIGINT" if name == "count" else "TEXT", description)
    for name, description in SUMMARY.columns.items()
]


def build_findings(workspace: Workspace) -> dg.AssetsDefinition:
    """Return the findings in the published file.

    They stop neither the publication nor the run. A run counts its own integration only: its output
    may be in the ticket of one customer.
    """
    keys = AssetKeys(workspace.prefix)

    @dg.asset(
        key=keys.findings,
        deps=[keys.inventory_duckdb],
        description=_DESCRIPTION,
        group_name=PUBLISHED,
        kinds={"duckdb", "view"},
        owners=OWNERS,
        metadata={
            "dagster/column_schema": dg.TableSchema(_COLUMNS),
            "dagster/table_name": f"{SCHEMA}.{SUMMARY.name}",
        },
        partitions_def=build_partitions(workspace),
        io_manager_key=keys.io_manager,
        freshness_policy=FRESHNESS,
        code_version="1",
        check_specs=[_check_spec(keys, finding) for finding in FINDINGS],
    )
    def findings(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        """Count the findings in the published file."""
        results = [*finding_results(workspace, context.partition_key)]
        # The UI plots the numbers over time.
        counts = {
            str(one.check_name): one.metadata["count"] for one in results if "count" in one.metadata
        }
        yield dg.MaterializeResult(metadata=counts, check_results=results)

    return findings


def _check_spec(keys: AssetKeys, finding: Finding) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        finding.name,
        asset=keys.findings,
        description=f"{finding.why} {finding.remedy} Severity: {finding.severity}.",
    )


def finding_results(workspace: Workspace, integration: str) -> Iterator[dg.AssetCheckResult]:
    """Yield the count of each finding of an integration in the published file."""
    remaining = list(FINDINGS)
    try:
        with open_bounded(workspace.inventory_file(integration)) as connection:
            for found in count_findings(connection, integration):
                remaining.remove(found.finding)
                yield _counted_result(workspace, integration, found)
    except InventoryError as error:
        for finding in remaining:
            yield _result(workspace, finding, f"not known: {error}", {}, passed=False)


def _counted_result(
    workspace: Workspace, integration: str, found: FindingCount
) -> dg.AssetCheckResult:
    metadata: dict[str, str | int] = {}
    if found.count is not None:
        metadata["count"] = found.count
    if found.names:
        metadata["first"] = ", ".join(found.names)
    if found.is_partial:
        metadata["not_counted"] = "bindings to single devices, which were not read"
    none = "not known" if found.count is None else "none"
    summary = f"{integration} {found.count}" if found.count else none
    return _result(workspace, found.finding, summary, metadata, passed=not found.count)


def _result(
    workspace: Workspace,
    finding: Finding,
    summary: str,
    metadata: dict[str, str | int],
    *,
    passed: bool,
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=finding.name,
        asset_key=AssetKeys(workspace.prefix).findings,
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{finding.title}: {summary} ({SCHEMA}.{finding.name})",
        metadata=metadata,
    )
