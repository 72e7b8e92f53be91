"""The check that stops a publication from which too many assets vanished."""

from collections.abc import Iterator

import dagster as dg
import pyarrow as pa

from assets_defs.asset_keys import table_key
from assets_defs.checks.integrity import REMOVALS_WITHIN_LIMIT
from pipelines.config.integration import Integration
from pipelines.history.removal_guard import Removals, find_removals
from pipelines.history.store import SnapshotStore
from pipelines.schema.model import Table


class RemovalGuard:
    """Check that stops the publication when too many assets of a type vanished.

    Args:
        history: holds the last snapshot.
        integration: has the limits.
        completeness: the lists of this pull; what was not pulled is not missing.
        accept_removals: True to publish anyway, after a person has checked the removals.
    """

    def __init__(
        self,
        history: SnapshotStore,
        integration: Integration,
        completeness: pa.Table,
        *,
        accept_removals: bool,
    ) -> None:
        self._history = history
        self._integration = integration
        self._accept_removals = accept_removals
        self._pulled = set(completeness["endpoint"].to_pylist())

    def results(self, table: Table, rows: pa.Table) -> Iterator[dg.AssetCheckResult]:
        """Yield the check of an asset table, nothing for another table."""
        if not table.is_asset:
            return
        gone = self._removals(table, rows)
        share, minimum = self._integration.removal_share, self._integration.removal_minimum
        stopped = gone.exceed_limit(share, minimum) and not self._accept_removals
        message = (
            f"{gone.missing} of {gone.before} {table.name} vanished since the last snapshot "
            f"({gone.after} now), among them: {', '.join(gone.names)}. If that is right, "
            "publish with `jumpcloud-inventory run --accept-removals`"
        )
        yield dg.AssetCheckResult(
            check_name=REMOVALS_WITHIN_LIMIT,
            asset_key=table_key(table.name),
            passed=not stopped,
            description=message if stopped else None,
            metadata={"before": gone.before, "after": gone.after, "missing": gone.missing},
        )

    def _removals(self, table: Table, rows: pa.Table) -> Removals:
        last = self._history.latest_with_table(table, self._integration.name)
        if last is None or not self._pulled.issuperset(table.endpoints):
            return Removals(before=0, after=rows.num_rows, missing=0, names=())
        before = self._history.read(table, last.integration.name, last.snapshot_id)
        return find_removals(table, before, rows)
