"""Commit the tables of one pull as an immutable snapshot.

Each asset gets its first-seen and last-seen times. An asset that was absent keeps its first-seen
time.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.config.thresholds import DEFAULT_THRESHOLDS, Thresholds
from pipelines.errors import InventoryError
from pipelines.history.changes import TableState, compute_changes
from pipelines.history.findings import OPEN_FINDINGS, follow_findings
from pipelines.history.manifest import IntegrationFacts, Manifest, PullFacts
from pipelines.history.store import SnapshotStore, order_of_time
from pipelines.schema.graph import SYSTEM_BINDINGS
from pipelines.schema.model import Column, Table
from pipelines.schema.tables import (
    ASSET_TABLES,
    CHANGES,
    COMPLETENESS,
    FINDING_HISTORY,
    INTEGRATION,
    INVENTORY_TABLES,
    SNAPSHOTS,
)
from pipelines.sql import in_memory, parquet

# Not part of the data contract: it keeps first-seen times through an absence of any length.
ABSENT_ASSETS = Table(
    "absent_assets",
    "Assets that an earlier pull found and this one did not",
    key=("asset_type", "asset_id"),
    columns=(
        INTEGRATION,
        Column("asset_type", "TEXT", "Table that the asset belonged to"),
        Column("asset_id", "TEXT", "Its key there"),
        Column("first_seen_at", "TIMESTAMPTZ", "Start of the first pull that found it"),
    ),
)

_SEEN = """
SELECT coalesce(first_seen_at, $now::TIMESTAMPTZ) AS first_seen_at,
    $now::TIMESTAMPTZ AS last_seen_at
FROM (SELECT {key} AS asset_id, row_number() OVER () AS position FROM rows)
LEFT JOIN known USING (asset_id)
ORDER BY position
"""
_ABSENT_NOW = """
SELECT '{table}' AS asset_type, * FROM known
WHERE asset_id NOT IN (SELECT {key} FROM rows) ORDER BY asset_id
"""


@dataclass(frozen=True)
class PulledTables:
    """The tables of one pull.

    Attributes:
        pull: when and how the organization was pulled.
        completeness: the proof of completeness of each list, one row per list.
        table: returns a table of the inventory by name, as the transform made it. It is called
            once per table, so that only one table is in memory.
        connection: a connection from `in_memory`, to share its memory.
    """

    pull: PullFacts
    completeness: pa.Table
    table: Callable[[str], pa.Table]
    connection: duckdb.DuckDBPyConnection | None = None


def commit_snapshot(
    store: SnapshotStore,
    integration: IntegrationFacts,
    pulled: PulledTables,
    run_id: str,
    volatile_columns: Collection[str] = (),
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> Manifest:
    """Write the tables of a pull and their changes since the last snapshot, then the manifest.

    A pull that was committed before is not written twice. The caller holds the publication lock.

    Args:
        store: receives the snapshot.
        integration: settings of the integration.
        pulled: the tables of the pull.
        run_id: id of the Dagster run.
        volatile_columns: columns without changes, as `table.column`.
        thresholds: thresholds of the findings.

    Raises:
        InventoryError: the pull started before the latest snapshot, or is of another organization.
    """
    name, started_at = integration.name, pulled.pull.started_at
    store.remove_orphan_files(name)
    if (last := store.latest(name)) and last.pull.started_at >= started_at:
        if last.pull.started_at == started_at:
            return last
        raise _late_start_error(store, name, started_at, last)
    _check_organization(store, name, pulled.pull)
    manifest = Manifest(
        snapshot_id=_unique_id(pulled.pull, store.reserved_ids(name)),
        run_id=run_id,
        integration=integration,
        pull=pulled.pull,
        rows={},
        sha256={},
        thresholds=thresholds,
    )
    return _write_snapshot(store, manifest, last, pulled, volatile_columns)


def _check_organization(store: SnapshotStore, integration: str, pull: PullFacts) -> None:
    """Check that a pull is of the organization that the snapshots are of.

    Raises:
        InventoryError: it is of another one.
    """
    before = pull.organization_id and store.organization_id(integration)
    if before and pull.organization_id != before:
        raise InventoryError(
            f"integration {integration!r}: this pull is of the organization "
            f"{pull.organization_id}, but the history is of {before}. Check the key and org_id; "
            "give another organization an integration with a name of its own"
        )


def _write_snapshot(
    store: SnapshotStore,
    manifest: Manifest,
    last: Manifest | None,
    pulled: PulledTables,
    volatile_columns: Collection[str],
) -> Manifest:
    """Write the files of a snapshot, then its manifest with their rows and digests."""
    with in_memory(pulled.connection) as connection:
        writer = _SnapshotWriter(
            store, manifest.integration.name, manifest.snapshot_id, last, connection
        )
        writer.write_all(pulled, volatile_columns)
        rows = {table.name: writer.rows[table.name] for table in (*INVENTORY_TABLES, CHANGES)}
        previous = store.head(manifest.integration.name)
        manifest = manifest.model_copy(update={"rows": rows, "previous_sha256": previous})
        writer.write_part(SNAPSHOTS.name, snapshots_table(manifest, pulled.completeness))
        manifest = manifest.model_copy(update={"sha256": writer.sha256})
        findings = follow_findings(store, manifest, connection)
    writer.write_part(OPEN_FINDINGS.name, findings.open)
    writer.write_part(FINDING_HISTORY.name, findings.closed)
    manifest = manifest.model_copy(update={"sha256": writer.sha256})
    store.commit(manifest)
    return manifest


def _late_start_error(
    store: SnapshotStore, integration: str, started_at: datetime, last: Manifest
) -> InventoryError:
    return InventoryError(
        f"{integration}: this pull started at {started_at:%Y-%m-%dT%H:%M:%SZ}, before the latest "
        f"snapshot {last.snapshot_id}: a clock is or was wrong. Set the clock of this machine, or "
        f"if the snapshot is wrong, {store.removal_hint(integration, last.snapshot_id)}; then run "
        "again"
    )


def _unique_id(pull: PullFacts, reserved: Collection[str]) -> str:
    start = f"{pull.started_at:%Y%m%dT%H%M%SZ}"
    # Some programs read Z-2 at the end of a time as a time zone.
    candidates = [start, *(f"{start}_{number}" for number in range(2, len(reserved) + 3))]
    taken = set(map(order_of_time, reserved))
    return next(candidate for candidate in candidates if order_of_time(candidate) not in taken)


@dataclass
class _SnapshotWriter:
    """Writes the files of one snapshot, and collects their rows and digests."""

    store: SnapshotStore
    integration: str
    snapshot_id: str
    last: Manifest | None
    connection: duckdb.DuckDBPyConnection
    absent: list[pa.Table] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)

    def write_all(self, pulled: PulledTables, volatile_columns: Collection[str]) -> None:
        """Write all tables, their changes, the absent assets, and the completeness proofs."""
        changes = [
            self._write(
                table,
                TableState(pulled.pull, pulled.table(table.name)),
                table.common_columns(volatile_columns),
            )
            for table in INVENTORY_TABLES
        ]
        self.write_part(CHANGES.name, pa.concat_tables(changes))
        self.write_part(ABSENT_ASSETS.name, pa.concat_tables(self.absent))
        self.write_part(COMPLETENESS.name, pulled.completeness)

    def _write(self, table: Table, state: TableState, volatile: Collection[str]) -> pa.Table:
        """Write a table of the inventory. Return its changes since the pull that last read it."""
        name = self.integration
        base = self.store.latest_with_table(table, name)
        earlier = {
            manifest.snapshot_id: self.store.read(table, name, manifest.snapshot_id)
            for manifest in (self.last, base)
            if manifest and table.name in manifest.sha256
        }
        if table.is_asset:
            seen = (list(earlier.values()), self._last_absent, state.pull.started_at)
            rows, absent = add_first_last_seen(table, state.rows, *seen, self.connection)
            state = TableState(state.pull, rows)
            self.absent.append(absent)
        self.write_part(table.name, state.rows)
        if base is None or not (table.has_changes and state.pull.has_read(table)):
            return CHANGES.arrow_schema.empty_table()
        before = TableState(base.pull, earlier[base.snapshot_id])
        return compute_changes(table, before, state, self.snapshot_id, volatile, self.connection)

    def write_part(self, table: str, rows: pa.Table) -> None:
        """Write one file, and remember its number of rows and its digest."""
        self.rows[table] = rows.num_rows
        self.sha256[table] = self.store.write(table, self.integration, self.snapshot_id, rows)

    @cached_property
    def _last_absent(self) -> pa.Table:
        if self.last is None:
            return ABSENT_ASSETS.arrow_schema.empty_table()
        if ABSENT_ASSETS.name in self.last.sha256:
            return self.store.read(ABSENT_ASSETS, self.integration, self.last.snapshot_id)
        # An earlier version, which had no such table, wrote the last snapshot.
        snapshot_ids = self.store.snapshot_ids(self.integration)
        return read_removed_assets(self.store.parts(CHANGES.name, self.integration, snapshot_ids))


def add_first_last_seen(
    table: Table,
    rows: pa.Table,
    earlier: Sequence[pa.Table],
    absent: pa.Table,
    now: datetime,
    outer: duckdb.DuckDBPyConnection,
) -> tuple[pa.Table, pa.Table]:
    """Add `first_seen_at` and `last_seen_at` to the rows of an asset table.

    Args:
        table: the asset table.
        rows: its rows, as the transform returned them.
        earlier: its published rows in earlier snapshots; the earliest first-seen time counts.
        absent: the absent assets of the last snapshot, as rows of `ABSENT_ASSETS`.
        now: start of the pull that found the rows.
        outer: a connection from `in_memory`, to share its memory.

    Returns:
        The rows to publish in the given order, and the assets that are absent now, as rows of
        `ABSENT_ASSETS` without the integration.
    """
    known = [f"SELECT asset_id, first_seen_at FROM absent WHERE asset_type = '{table.name}'"]
    with in_memory(outer) as connection:
        connection.register("rows", rows)
        connection.register("absent", absent)
        for number, published in enumerate(earlier):
            connection.register(f"earlier_{number}", published)
            known.append(f"SELECT {table.key[0]}, first_seen_at FROM earlier_{number}")
        connection.execute(
            "CREATE VIEW known AS SELECT asset_id, min(first_seen_at) AS first_seen_at "
            f"FROM ({' UNION ALL '.join(known)}) GROUP BY asset_id"
        )
        names = {"table": table.name, "key": table.key[0]}
        parameters = {"now": now.isoformat()}
        # Only the keys pass through DuckDB: all columns of many systems take 100 MiB.
        seen: pa.Table = connection.sql(_SEEN.format(**names), params=parameters).to_arrow_table()
        absent_now: pa.Table = connection.sql(_ABSENT_NOW.format(**names)).to_arrow_table()
    present = pa.table([*rows.columns, *seen.columns], [*rows.column_names, *seen.column_names])
    return present.select(table.published_schema.names).cast(table.published_schema), absent_now


def read_removed_assets(changes: Sequence[Path]) -> pa.Table:
    """Read the assets that were ever removed from files of `changes`.

    Returns:
        Rows of `ABSENT_ASSETS`, without the integration.
    """
    types = ", ".join(f"'{table.name}'" for table in ASSET_TABLES)
    query = f"""
SELECT asset_type, asset_id, min(old_value::JSON ->> 'first_seen_at')::TIMESTAMPTZ AS first_seen_at
FROM {parquet(changes)}
WHERE change = 'removed' AND asset_type IN ({types})
GROUP BY ALL
"""
    with in_memory() as connection:
        rows: pa.Table = connection.sql(query).to_arrow_table()
    return rows


def snapshots_table(manifest: Manifest, completeness: pa.Table) -> pa.Table:
    """Return the row of `snapshots` that describes one pull.

    Args:
        manifest: the manifest of the snapshot.
        completeness: the proof of completeness of each list, one row per list. The row holds
            only the sums per endpoint and proof: there may be tens of thousands of lists.
    """
    row = {
        "integration": manifest.integration.name,
        "rows": json.dumps(manifest.rows),
        "completeness": json.dumps(_sums(completeness, manifest.pull)),
        **manifest.model_dump(include={"snapshot_id", "run_id"}),
        **manifest.pull.model_dump(
            include={"started_at", "finished_at", "api_calls", "api_retries", "throttled"}
        ),
    }
    return pa.Table.from_pylist([row], schema=SNAPSHOTS.arrow_schema)


def _sums(completeness: pa.Table, pull: PullFacts) -> list[dict[str, object]]:
    """Sum the numbers of all lists by endpoint and proof, and add the fields with lost values."""
    numbers = [f.name for f in completeness.schema if pa.types.is_integer(f.type)]
    groups = completeness.group_by(["endpoint", "proof"]).aggregate(
        [([], "count_all"), *((name, "sum") for name in numbers)]
    )
    names = ["endpoint", "proof", "lists", *numbers]
    sums: list[dict[str, object]] = groups.sort_by("endpoint").rename_columns(names).to_pylist()
    if pull.report_at and SYSTEM_BINDINGS in pull.endpoints - {one["endpoint"] for one in sums}:
        # The report names no device with a direct binding, so that there is no list to read.
        none = dict.fromkeys(("lists", *numbers), 0)
        sums.append({"endpoint": SYSTEM_BINDINGS, "proof": "report", **none})
    for one in sums:
        lost = [name for name in pull.lost_fields if name.partition(".")[0] == one["endpoint"]]
        if lost:
            one["lost_fields"] = sorted(lost)
    return sums
