"""The asset checks of the tables: integrity, and the removal guard.

They name assets by key, because the assets import them.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

import dagster as dg
import duckdb
import pyarrow as pa

from assets_defs.asset_keys import AssetKeys
from pipelines.config.integration import Integration
from pipelines.history.removal_guard import (
    Removals,
    StoppedRemovals,
    accept_hint,
    find_removals,
    readable,
)
from pipelines.schema.model import Table
from pipelines.schema.tables import ACCESS_DIFFERENCES, INVENTORY_TABLES
from pipelines.transform.integrity import (
    count_dangling_references,
    count_repeated_keys,
)
from pipelines.workspace import Workspace

UNIQUE_KEY = "unique_key"
RELATIONS_RESOLVE = "relations_resolve"
REMOVALS_WITHIN_LIMIT = "removals_within_limit"
WITNESSES_AGREE = "witnesses_agree"
MAX_PAIRS = 5
_AGAIN = (
    "If it fails, nothing is published: run it again. If it fails again, JumpCloud's lists "
    "contradict each other, and the run names the rows"
)


def check_specs(keys: AssetKeys, table: Table) -> Sequence[dg.AssetCheckSpec]:
    """Return the checks of a table; all but `WITNESSES_AGREE` stop the publication."""
    descriptions = {UNIQUE_KEY: f"No two rows have the same key. {_AGAIN}"}
    if _is_referenced(table):
        descriptions[RELATIONS_RESOLVE] = (
            f"Every relationship to this table finds its row. {_AGAIN}"
        )
    if table.is_asset:
        descriptions[REMOVALS_WITHIN_LIMIT] = (
            "The number of assets removed since the last snapshot is within the limit. If it "
            "fails, nothing is published: look at what is gone. If it is gone for a reason, "
            "`jumpcloud-inventory accept NAME` lets the next run publish it"
        )
    if table is ACCESS_DIFFERENCES:
        descriptions[WITNESSES_AGREE] = (
            "The pull and JumpCloud's own report have the same access. If it fails, compare the "
            "rows of this table with JumpCloud: one of the two has changed, or is wrong"
        )
    key = keys.table(table.name)
    return [
        dg.AssetCheckSpec(
            name, asset=key, blocking=name != WITNESSES_AGREE, description=description
        )
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
    if _is_referenced(table):
        dangling = count_dangling_references(table, rows, frames)
        found = [f"{count:,} rows of {column}" for column, count in dangling.items() if count]
        yield dg.AssetCheckResult(
            check_name=RELATIONS_RESOLVE,
            asset_key=key,
            passed=not found,
            description=f"{integration}: {', '.join(found) or '0 rows'} refer to missing {assets}",
            metadata=dangling,
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


def _is_referenced(table: Table) -> bool:
    return any(table.name in one.references.values() for one in INVENTORY_TABLES)


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
