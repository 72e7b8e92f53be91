"""Turns the tables of one pull into an immutable snapshot of the history."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from pipelines.config.thresholds import DEFAULT_THRESHOLDS, Thresholds
from pipelines.errors import InventoryError
from pipelines.history.changes import compute_changes
from pipelines.history.first_seen import (
    ABSENT,
    add_first_last_seen,
    build_first_seen,
    last_removals,
    read_first_seen,
)
from pipelines.history.manifest import IntegrationFacts, Manifest, PullFacts
from pipelines.history.scope import columns_not_read, read_by_both, was_read
from pipelines.history.store import SnapshotStore
from pipelines.schema.model import Table
from pipelines.schema.tables import CHANGES, COMPLETENESS, INVENTORY_TABLES, SNAPSHOTS
from pipelines.sql import in_memory


@dataclass(frozen=True)
class PulledTables:
    """What one pull brings to the history.

    Attributes:
        pull: when and how the organization was pulled.
        completeness: how each list was proven complete, one row per list.
        table: gives a table of the inventory by its name, as the transform made it; asked once for
            each, so that one at a time is in memory.
    """

    pull: PullFacts
    completeness: pa.Table
    table: Callable[[str], pa.Table]


def commit_snapshot(
    history: SnapshotStore,
    integration: IntegrationFacts,
    pulled: PulledTables,
    run_id: str,
    volatile_columns: Collection[str] = (),
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Manifest:
    """Write the tables and their changes since the snapshot before, then the manifest.

    A pull that is in the history already is not written again. The caller holds the publication
    lock.

    Args:
        history: where it goes.
        integration: what the settings say of the integration.
        pulled: what the pull brought.
        run_id: the Dagster run.
        volatile_columns: as `table.column`, those of which a change is not told.
        thresholds: from where on something is a finding.

    Raises:
        InventoryError: the pull started before the latest snapshot: it would be compared with what
            is later, and never be the latest.
    """
    pull = pulled.pull
    history.sweep(integration.name)
    before = history.latest(integration.name)
    if before and before.pull.started_at == pull.started_at:
        return before
    if before and before.pull.started_at > pull.started_at:
        raise _check_clock(pull, before, history.removal_hint(integration.name, before.snapshot_id))
    snapshot_id = _unique_id(pull, history.reserved_ids(integration.name))
    writer = _SnapshotWriter(history, integration.name, snapshot_id, pull)
    writer.write_all(pulled, volatile_columns)
    manifest = Manifest(
        snapshot_id=snapshot_id,
        run_id=run_id,
        integration=integration,
        pull=pull,
        rows={table.name: writer.rows[table.name] for table in (*INVENTORY_TABLES, CHANGES)},
        sha256={},
        thresholds=thresholds,
    )
    writer.write_part(SNAPSHOTS.name, snapshots_table(manifest, pulled.completeness))
    manifest = manifest.model_copy(update={"sha256": writer.sha256})
    history.commit(manifest)
    return manifest


def _check_clock(pull: PullFacts, before: Manifest, remedy: str) -> InventoryError:
    return InventoryError(
        f"{before.integration.name}: this pull started at {pull.started_at:%Y-%m-%dT%H:%M:%SZ}, "
        f"before its latest snapshot, {before.snapshot_id}: a clock is or was wrong. If it is this "
        f"one, set it right; if that snapshot is of the future, {remedy} and it is left out "
        "of the history; then run again"
    )


def _unique_id(pull: PullFacts, taken: Sequence[str]) -> str:
    start = f"{pull.started_at:%Y%m%dT%H%M%SZ}"
    candidates = [start, *(f"{start}-{number}" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in candidates if candidate not in taken)


class _SnapshotWriter:
    """Writes the files of one snapshot, and remembers what is in them."""

    def __init__(
        self, history: SnapshotStore, integration: str, snapshot_id: str, pull: PullFacts
    ) -> None:
        self._history = history
        self._integration = integration
        self._snapshot_id = snapshot_id
        self._pull = pull
        self.absent: list[pa.Table] = []
        self.rows: dict[str, int] = {}
        self.sha256: dict[str, str] = {}

    def write_all(self, pulled: PulledTables, volatile_columns: Collection[str]) -> None:
        """Write all tables, what changed in them, what is absent, and the proofs."""
        with in_memory():
            changes = [
                self.write(table, pulled.table(table.name), table.common_columns(volatile_columns))
                for table in INVENTORY_TABLES
            ]
        self.write_part(CHANGES.name, pa.concat_tables(changes))
        self.write_part(ABSENT.name, pa.concat_tables(self.absent))
        self.write_part(COMPLETENESS.name, pulled.completeness)

    def write(self, table: Table, rows: pa.Table, left_out: Collection[str]) -> pa.Table:
        """Write a table of the inventory; its changes, but for some columns, since it was read."""
        name, pull = self._integration, self._pull
        last, base = self._history.latest(name), self._history.latest_having(table, name)
        earlier = {
            each.snapshot_id: self._history.read(table, name, each.snapshot_id)
            for each in (last, base)
            if each
        }
        if table.is_asset:
            known = [read_first_seen(table, each) for each in earlier.values()]
            known.append(build_first_seen(table, self._last_absent))
            rows, absent = add_first_last_seen(table, rows, known, pull.started_at)
            self.absent.append(absent)
        self.write_part(table.name, rows)
        if base is None or not was_read(table, pull):
            return CHANGES.arrow_schema.empty_table()
        before = read_by_both(table, earlier[base.snapshot_id], base.pull, pull)
        after = read_by_both(table, rows, base.pull, pull)
        left_out = [*left_out, *columns_not_read(table, base.pull, pull)]
        observed_at = pull.started_at.isoformat()
        return compute_changes(table, before, after, self._snapshot_id, observed_at, left_out)

    def write_part(self, table: str, rows: pa.Table) -> None:
        """Write one file; remember its rows and its digest."""
        self.rows[table] = rows.num_rows
        self.sha256[table] = self._history.write(table, self._integration, self._snapshot_id, rows)

    @cached_property
    def _last_absent(self) -> pa.Table:
        last = self._history.latest(self._integration)
        if last is None:
            return ABSENT.arrow_schema.empty_table()
        if ABSENT.name in last.sha256:
            return self._history.read(ABSENT, self._integration, last.snapshot_id)
        # The version that wrote it kept no such table.
        snapshot_ids = self._history.snapshot_ids(self._integration)
        return last_removals(self._history.parts(CHANGES.name, self._integration, snapshot_ids))


def snapshots_table(manifest: Manifest, completeness: pa.Table) -> pa.Table:
    """The row of `snapshots` that tells of one pull.

    Args:
        manifest: what the pull was.
        completeness: how each of its lists was proven complete, one row per list. Only the sums
            per endpoint and proof become part of the row: there may be ten thousands of lists.
    """
    row = {
        "integration": manifest.integration.name,
        "rows": json.dumps(manifest.rows),
        "completeness": json.dumps(_sums(completeness)),
        **manifest.model_dump(include={"snapshot_id", "run_id"}),
        **manifest.pull.model_dump(
            include={"started_at", "finished_at", "api_calls", "api_retries", "throttled"}
        ),
    }
    return pa.Table.from_pylist([row], schema=SNAPSHOTS.arrow_schema)


def _sums(completeness: pa.Table) -> list[dict[str, object]]:
    numbers = [f.name for f in completeness.schema if pa.types.is_integer(f.type)]
    groups = completeness.group_by(["endpoint", "proof"]).aggregate(
        [([], "count_all"), *((name, "sum") for name in numbers)]
    )
    names = ["endpoint", "proof", "lists", *numbers]
    return groups.sort_by("endpoint").rename_columns(names).to_pylist()
