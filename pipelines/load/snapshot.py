"""Turns the tables of one pull into an immutable snapshot of the history."""

from collections.abc import Mapping, Sequence
from functools import cached_property

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.contract import CHANGES, INVENTORY_TABLES
from pipelines.load.changes import changes_of
from pipelines.load.history import History
from pipelines.load.manifest import IntegrationFacts, Manifest, PullFacts, were_pulled
from pipelines.schema import Table


def commit_snapshot(
    history: History,
    integration: IntegrationFacts,
    pull: PullFacts,
    tables: Mapping[str, pa.Table],
    run_id: str,
) -> Manifest:
    """Write the tables and their changes since the snapshot before, then the manifest.

    A pull that is in the history already is not written again. The caller holds the publication
    lock.

    Args:
        history: where it goes.
        integration: what the settings say of the integration.
        pull: when and how it was pulled.
        tables: every table of the inventory by name, as the transforms gave it.
        run_id: the Dagster run.
    """
    history.sweep(integration.name)
    before = history.latest(integration.name)
    if before and before.pull.started_at == pull.started_at:
        return before
    snapshot_id = _unique_id(pull, history.snapshot_ids(integration.name))
    writer = _SnapshotWriter(history, integration.name, snapshot_id, pull)
    changes = [writer.write(table, tables[table.name], before) for table in INVENTORY_TABLES]
    writer.write_part(CHANGES, pa.concat_tables(changes))
    manifest = Manifest(
        snapshot_id=snapshot_id,
        run_id=run_id,
        integration=integration,
        pull=pull,
        rows={table.name: tables[table.name].num_rows for table in INVENTORY_TABLES},
        sha256=writer.sha256,
    )
    history.commit(manifest)
    return manifest


def _unique_id(pull: PullFacts, taken: Sequence[str]) -> str:
    start = f"{pull.started_at:%Y%m%dT%H%M%SZ}"
    candidates = [start, *(f"{start}-{number}" for number in range(2, len(taken) + 3))]
    return next(candidate for candidate in candidates if candidate not in taken)


class _SnapshotWriter:
    """Writes the files of one snapshot, and remembers their digests."""

    def __init__(
        self, history: History, integration: str, snapshot_id: str, pull: PullFacts
    ) -> None:
        self._history = history
        self._integration = integration
        self._snapshot_id = snapshot_id
        self._pull = pull
        self.sha256: dict[str, str] = {}

    def write(self, table: Table, rows: pa.Table, before: Manifest | None) -> pa.Table:
        """Write a table of the inventory; its changes since the snapshot before."""
        earlier = self._read(table, before.snapshot_id) if before else None
        published = self._with_sight(table, rows, earlier) if table.is_asset else rows
        self.write_part(table, published)
        if before is None or earlier is None or not were_pulled(table, before.pull, self._pull):
            return CHANGES.arrow_schema.empty_table()
        observed_at = self._pull.started_at.isoformat()
        return changes_of(table, earlier, published, self._snapshot_id, observed_at)

    def write_part(self, table: Table, rows: pa.Table) -> None:
        """Write one file and remember its digest."""
        self.sha256[table.name] = self._history.write(
            table, self._integration, self._snapshot_id, rows
        )

    def _read(self, table: Table, snapshot_id: str) -> pa.Table:
        return self._history.read(table, self._integration, snapshot_id)

    def _with_sight(self, table: Table, rows: pa.Table, earlier: pa.Table | None) -> pa.Table:
        """The rows with their first and last sight.

        An asset that was there before keeps its first sight, also when it was away in between.
        """
        key = table.key[0]
        known = table.published_schema.empty_table() if earlier is None else earlier
        query = f"""
WITH first AS (
    SELECT asset_id, min(seen) AS first_seen_at FROM (
        SELECT {key} AS asset_id, first_seen_at AS seen FROM earlier
        UNION ALL BY NAME
        SELECT asset_id, (old_value::JSON ->> 'first_seen_at')::TIMESTAMPTZ AS seen
        FROM removals WHERE asset_type = '{table.name}'
    ) GROUP BY asset_id
)
SELECT rows.*, coalesce(first_seen_at, $now::TIMESTAMPTZ) AS first_seen_at,
    $now::TIMESTAMPTZ AS last_seen_at
FROM rows LEFT JOIN first ON first.asset_id = rows.{key}
ORDER BY {key}
"""
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("rows", rows)
            connection.register("earlier", known)
            connection.register("removals", self._removals)
            parameters = {"now": self._pull.started_at.isoformat()}
            result: pa.Table = connection.sql(query, params=parameters).to_arrow_table()
        return result.cast(table.published_schema)

    @cached_property
    def _removals(self) -> pa.Table:
        folder = self._history.root / CHANGES.name / f"integration={self._integration}"
        parts = [
            pq.read_table(file, partitioning=None, filters=pc.field("change") == "removed")
            for file in sorted(folder.glob("snapshot=*/part-0.parquet"))
        ]
        columns = ["asset_type", "asset_id", "old_value"]
        return pa.concat_tables(
            [part.select(columns) for part in [CHANGES.arrow_schema.empty_table(), *parts]]
        )
