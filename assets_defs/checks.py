"""The asset checks: integrity, the removal guard and the findings.

They name assets by key, because the assets import them.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import dagster as dg
import duckdb
import pyarrow as pa

from assets_defs.asset_keys import AssetKeys
from assets_defs.partitions import PARTITION_TAG
from pipelines.config.integration import Integration
from pipelines.errors import InventoryError
from pipelines.findings.catalog import FINDINGS, FindingCount, count_findings
from pipelines.findings.model import SCHEMA, Finding
from pipelines.history.removal_guard import (
    Removals,
    StoppedRemovals,
    accept_hint,
    find_removals,
    readable,
)
from pipelines.publish.reader import open_bounded
from pipelines.schema.model import Table
from pipelines.schema.tables import ACCESS_DIFFERENCES
from pipelines.transform.integrity import (
    count_dangling_references,
    count_repeated_keys,
    count_unresolved,
)
from pipelines.workspace import Workspace

UNIQUE_KEY = "unique_key"
RELATIONS_RESOLVE = "relations_resolve"
REMOVALS_WITHIN_LIMIT = "removals_within_limit"
IDS_RESOLVE = "ids_resolve"
WITNESSES_AGREE = "witnesses_agree"
WARNINGS = {IDS_RESOLVE, WITNESSES_AGREE}
MAX_PAIRS = 5
# Every run stores and prints the result of a finding; the file names all integrations.
MAX_INTEGRATIONS = 10


def check_specs(keys: AssetKeys, table: Table) -> Sequence[dg.AssetCheckSpec]:
    """Return the checks of a table; all but `WARNINGS` stop the publication."""
    descriptions = {UNIQUE_KEY: "No two rows have the same key"}
    if table.is_asset:
        descriptions[RELATIONS_RESOLVE] = "Every relationship to this table finds its row"
        descriptions[REMOVALS_WITHIN_LIMIT] = (
            "The number of assets removed since the last snapshot is within the limit"
        )
    if _has_resolved(table):
        descriptions[IDS_RESOLVE] = "Every id that the graph names is in the bulk list"
    if table is ACCESS_DIFFERENCES:
        descriptions[WITNESSES_AGREE] = "The pull and JumpCloud's own report have the same access"
    key = keys.table(table.name)
    return [
        dg.AssetCheckSpec(name, asset=key, blocking=name not in WARNINGS, description=description)
        for name, description in descriptions.items()
    ]


def integrity_results(
    keys: AssetKeys,
    integration: str,
    table: Table,
    rows: pa.Table,
    frames: Mapping[str, pa.Table],
    outer: duckdb.DuckDBPyConnection,
) -> Iterator[dg.AssetCheckResult]:
    """Check that keys are unique and that references find their rows."""
    key, assets = keys.table(table.name), readable(table.name)
    repeated = count_repeated_keys(table, rows, outer)
    yield dg.AssetCheckResult(
        check_name=UNIQUE_KEY,
        asset_key=key,
        passed=repeated == 0,
        description=f"{integration}: {repeated:,} keys of {assets} occur more than once",
        metadata={"repeated_keys": repeated},
    )
    if table.is_asset:
        dangling = count_dangling_references(table, rows, frames)
        found = [f"{count:,} rows of {column}" for column, count in dangling.items() if count]
        yield dg.AssetCheckResult(
            check_name=RELATIONS_RESOLVE,
            asset_key=key,
            passed=not found,
            description=f"{integration}: {_join(found) or '0 rows'} refer to missing {assets}",
            metadata=dangling,
        )
    if _has_resolved(table):
        unresolved = count_unresolved(rows)
        yield dg.AssetCheckResult(
            check_name=IDS_RESOLVE,
            asset_key=key,
            passed=unresolved == 0,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{integration}: {unresolved:,} {assets} are known only by their id, "
            "because no list contains them",
            metadata={"unresolved": unresolved},
        )
    if table is ACCESS_DIFFERENCES:
        yield _witness_result(key, integration, rows)


def _witness_result(key: dg.AssetKey, integration: str, rows: pa.Table) -> dg.AssetCheckResult:
    """Return the check that the pull and the report agree."""
    first = [
        f"{row['user_name']} on {row['system_name']} (only the {row['witness']})"
        for row in rows.slice(0, MAX_PAIRS).to_pylist()
    ]
    more = f" and {rows.num_rows - MAX_PAIRS:,} more" if rows.num_rows > MAX_PAIRS else ""
    return dg.AssetCheckResult(
        check_name=WITNESSES_AGREE,
        asset_key=key,
        passed=not first,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{integration}: pairs of user and device in one of two sources only: "
        f"{rows.num_rows:,}, such as {', '.join(first)}{more}"
        if first
        else f"{integration}: no difference is known",
        metadata={"differences": rows.num_rows},
    )


def stops_publication(result: dg.AssetCheckResult) -> bool:
    """Return True if the result of a check forbids the publication."""
    return not result.passed and result.severity is dg.AssetCheckSeverity.ERROR


def _has_resolved(table: Table) -> bool:
    return "resolved" in table.arrow_schema.names


class RemovalGuard:
    """Check that stops the publication when too many assets of a type vanished or lost their data.

    Args:
        workspace: has the last snapshot, and what a person has accepted since a run was stopped.
        integration: has the limits.
        completeness: the lists of this pull; what was not pulled is not missing.
        accept_removals: True to publish anyway, after a person has checked the removals.
    """

    def __init__(
        self,
        workspace: Workspace,
        integration: Integration,
        completeness: pa.Table,
        *,
        accept_removals: bool,
    ) -> None:
        self._keys = AssetKeys(workspace.prefix)
        self._history = workspace.open_history()
        self._file = workspace.removal_file(integration.name)
        self._integration = integration
        self._accept_removals = accept_removals
        self._pulled = set(completeness["endpoint"].to_pylist())
        self._beyond_limit: dict[str, Removals] = {}
        self._is_stopped = False

    def results(self, table: Table, rows: pa.Table) -> Iterator[dg.AssetCheckResult]:
        """Yield the check of an asset table, nothing for another table."""
        if not table.is_asset:
            return
        gone = self._removals(table, rows)
        share, minimum = self._integration.removal_share, self._integration.removal_minimum
        stopped = False
        if gone.exceed_limit(share, minimum) and not self._accept_removals:
            self._beyond_limit[table.name] = gone
            stopped = not (self._accepted and self._accepted.cover(table.name, gone))
        self._is_stopped |= stopped
        counts = {"before": gone.before, "after": gone.after}
        losses = {"missing": gone.missing, "emptied": gone.emptied}
        yield dg.AssetCheckResult(
            check_name=REMOVALS_WITHIN_LIMIT,
            asset_key=self._keys.table(table.name),
            passed=not stopped,
            description=f"{self._integration.name}: {gone.describe(table.name)}",
            metadata=counts | losses,
        )

    def record_stop(self) -> str:
        """Record the removals that stop this run. Return how to accept them; empty if none did."""
        if not self._is_stopped:
            return ""
        self._file.stop(
            StoppedRemovals(snapshot_id=self._last_snapshot_id, by_type=self._beyond_limit)
        )
        return accept_hint(self._integration.name)

    @cached_property
    def _accepted(self) -> StoppedRemovals | None:
        accepted = self._file.read("accepted")
        return accepted if accepted and accepted.snapshot_id == self._last_snapshot_id else None

    @property
    def _last_snapshot_id(self) -> str:
        return self._history.snapshot_ids(self._integration.name)[-1]

    def _removals(self, table: Table, rows: pa.Table) -> Removals:
        last = self._history.latest_with_table(table, self._integration.name)
        if last is None or not self._pulled.issuperset(table.endpoints):
            return Removals(before=0, after=rows.num_rows, missing=0, emptied=0, names=())
        before = self._history.read(table, last.integration.name, last.snapshot_id)
        return find_removals(table, before, rows)


def build_findings(workspace: Workspace) -> dg.AssetChecksDefinition:
    """Return the checks that count the findings in the published file.

    They stop neither the publication nor the run. A run counts its own integration only: its output
    may be in the ticket of one customer.
    """
    keys = AssetKeys(workspace.prefix)
    specs = [
        dg.AssetCheckSpec(
            finding.name,
            asset=keys.table(finding.asset_type),
            additional_deps=[keys.inventory_duckdb],
            description=f"{finding.why} {finding.remedy}",
        )
        for finding in FINDINGS
    ]

    @dg.multi_asset_check(name=keys.name("findings"), specs=specs, can_subset=True)
    def findings(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        """Warn of all findings in the published file."""
        integration = context.op_execution_context.get_tag(PARTITION_TAG)
        selected = {key.name for key in context.selected_asset_check_keys}
        for result in finding_results(workspace, integration):
            if result.check_name in selected:
                yield result

    return findings


def finding_results(workspace: Workspace, integration: str | None) -> Iterator[dg.AssetCheckResult]:
    """Yield the count of each finding in the published file.

    Args:
        workspace: has the file.
        integration: counted alone; None for all.
    """
    keys = AssetKeys(workspace.prefix)
    counted: set[str] = set()
    try:
        with open_bounded(workspace.inventory_file(integration)) as connection:
            for count in count_findings(connection, integration):
                counted.add(count.finding.name)
                yield _counted_result(keys, count)
    except InventoryError as error:
        for finding in FINDINGS:
            if finding.name not in counted:
                yield _finding_result(keys, finding, f"not known: {error}", {}, passed=False)


def _counted_result(keys: AssetKeys, found: FindingCount) -> dg.AssetCheckResult:
    count, unknown = sum(found.counts.values()), _join(found.unanswerable)
    largest_first = sorted(found.counts.items(), key=lambda item: -item[1])
    counts = _join([f"{name} {number}" for name, number in largest_first])
    metadata: dict[str, str | int] = {"count": count}
    metadata |= {"by_integration": counts, "first": ", ".join(found.names)} if counts else {}
    metadata |= {"not_known_of": unknown} if unknown else {}
    if found.partial:
        metadata["without_direct_bindings_of"] = _join(found.partial)
    summary = f"{counts}, in all {count}" if len(found.counts) > 1 else counts or "none"
    return _finding_result(keys, found.finding, summary, metadata, passed=count == 0)


def _join(items: Sequence[str]) -> str:
    more = len(items) - MAX_INTEGRATIONS
    return ", ".join(items[:MAX_INTEGRATIONS]) + (f" and {more} more" if more > 0 else "")


def _finding_result(
    keys: AssetKeys, finding: Finding, summary: str, metadata: dict[str, str | int], *, passed: bool
) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=finding.name,
        asset_key=keys.table(finding.asset_type),
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{finding.title}: {summary} ({SCHEMA}.{finding.name})",
        metadata=metadata,
    )
