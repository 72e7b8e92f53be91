"""The life of findings: the rows that a snapshot opens, keeps open and closes."""

from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.findings.access import SUDO_GRANTS
from pipelines.findings.catalog import CATALOG, FINDINGS, QUESTIONS
from pipelines.findings.model import THRESHOLDS
from pipelines.history.manifest import Manifest
from pipelines.history.metadata_tables import direct_bindings, thresholds_table
from pipelines.history.store import SnapshotStore
from pipelines.schema.assets import DIRECT
from pipelines.schema.model import Table
from pipelines.schema.tables import (
    CHANGES,
    COMPLETENESS,
    FINDING_HISTORY,
    INTEGRATIONS,
    INVENTORY_TABLES,
    SNAPSHOTS,
)
from pipelines.sql import in_memory, parquet, quoted

# Not part of the data contract: the published `finding_history` has these rows too. A snapshot's
# part of `finding_history` has the rows that it closed, so that all parts together make the table.
OPEN_FINDINGS = replace(FINDING_HISTORY, name="open_findings")

_KEY = "finding, asset_type, asset_id, detail"

# A row that depends on bindings which its last pull read and this one did not stays open.
_MATCHED = f"""
CREATE TEMP TABLE matched AS
SELECT b.*, f.finding IS NOT NULL AS is_kept,
    f.finding IS NULL AND q.answerable IS TRUE
        AND NOT (c.needs_direct AND q.note IS NOT NULL AND NOT b.last_snapshot_id IN $covered)
        AS is_closed
FROM before b
LEFT JOIN catalog c USING (finding)
LEFT JOIN questions q USING (finding)
LEFT JOIN (FROM found SEMI JOIN (FROM catalog WHERE NOT is_event) USING (finding)) f USING ({_KEY})
"""
_OPEN = f"""
SELECT f.*, coalesce(m.opened_at, $now::TIMESTAMPTZ) AS opened_at, NULL AS closed_at,
    $snapshot_id AS last_snapshot_id
FROM found f LEFT JOIN (FROM matched WHERE is_kept) m USING ({_KEY})
UNION ALL BY NAME
SELECT * EXCLUDE (is_kept, is_closed) FROM matched WHERE NOT is_kept AND NOT is_closed
"""
_CLOSED = """
SELECT * EXCLUDE (is_kept, is_closed) REPLACE ($now::TIMESTAMPTZ AS closed_at)
FROM matched WHERE is_closed
"""


@dataclass(frozen=True)
class FindingRows:
    """Rows of `finding_history`: those that are open after a snapshot, and those that it closed."""

    open: pa.Table
    closed: pa.Table


def follow_findings(
    store: SnapshotStore, manifest: Manifest, outer: duckdb.DuckDBPyConnection | None = None
) -> FindingRows:
    """Return the rows of the findings after a snapshot that has its tables.

    Snapshots of earlier versions have no such rows. Those that still have their tables are then
    followed first, so that a rebuild finds the same as this did.

    Args:
        store: the store with the files of the snapshot.
        manifest: the manifest of the snapshot; it may not be committed yet.
        outer: a connection from `in_memory`, to share its memory.
    """
    empty = FINDING_HISTORY.arrow_schema.empty_table()
    rows = FindingRows(empty, empty)
    earlier = _before(manifest, store.manifests_with_tables(manifest.integration.name))
    steps = [manifest]
    for before in reversed(earlier):
        if OPEN_FINDINGS.name in before.sha256:
            opened = store.read(OPEN_FINDINGS, before.integration.name, before.snapshot_id)
            rows = FindingRows(opened.select(empty.column_names), empty)
            break
        steps.insert(0, before)
    for one in steps:
        step = _follow(store, one, _before(one, earlier), rows.open, outer)
        rows = FindingRows(step.open, pa.concat_tables([rows.closed, step.closed]))
    return rows


def read_open_findings(store: SnapshotStore, manifest: Manifest) -> pa.Table:
    """Return the rows of the findings that are open after a committed snapshot."""
    if OPEN_FINDINGS.name in manifest.sha256:
        return store.read(OPEN_FINDINGS, manifest.integration.name, manifest.snapshot_id)
    return follow_findings(store, manifest).open


def _before(manifest: Manifest, manifests: list[Manifest]) -> list[Manifest]:
    return [one for one in manifests if one.pull.started_at < manifest.pull.started_at]


def _follow(
    store: SnapshotStore,
    manifest: Manifest,
    earlier: list[Manifest],
    before: pa.Table,
    outer: duckdb.DuckDBPyConnection | None,
) -> FindingRows:
    """Return the open and closed rows after a snapshot, from those that were open before it."""
    now = {"now": manifest.pull.started_at.isoformat()}
    with in_memory(outer) as connection:
        _provide_tables(connection, store, manifest, earlier[-1:])
        _evaluate(connection, has_changes=manifest.rows.get(CHANGES.name) != 0)
        connection.register("before", before)
        covered = _covered(manifest, earlier)
        connection.execute(_MATCHED, {"covered": covered})
        opened = connection.sql(_OPEN, params=now | {"snapshot_id": manifest.snapshot_id})
        return FindingRows(_ordered(opened), _ordered(connection.sql(_CLOSED, params=now)))


def _ordered(rows: duckdb.DuckDBPyRelation) -> pa.Table:
    schema = FINDING_HISTORY.arrow_schema
    table: pa.Table = rows.order(f"{_KEY}, opened_at").to_arrow_table()
    return table.select(schema.names).cast(schema)


def _covered(manifest: Manifest, earlier: list[Manifest]) -> list[str]:
    """Return the snapshots that read no bindings to single devices that this one did not read."""
    now = manifest.pull.sources
    return [one.snapshot_id for one in earlier if now >= one.pull.sources.intersection(DIRECT)]


def _evaluate(connection: duckdb.DuckDBPyConnection, *, has_changes: bool) -> None:
    """Create the tables `catalog`, `questions` and `found` of a snapshot."""
    connection.execute(
        "CREATE TEMP TABLE catalog(finding TEXT, is_event BOOLEAN, needs_direct BOOLEAN);"
        "CREATE TEMP TABLE found(integration TEXT, finding TEXT, severity TEXT, asset_type TEXT, "
        "asset_id TEXT, asset_name TEXT, evidence JSON, detail TEXT);"
        f"CREATE TEMP TABLE questions AS FROM ({QUESTIONS.sql})"
    )
    for finding in FINDINGS:
        is_event = finding.compares_snapshots
        connection.execute(
            "INSERT INTO catalog VALUES (?, ?, ?)",
            (finding.name, is_event, finding.uses_direct_bindings and not is_event),
        )
        if is_event and not has_changes:
            continue
        connection.execute(
            f"INSERT INTO found BY NAME SELECT {quoted(finding.name)} AS finding, "
            f"{quoted(finding.severity)} AS severity, *, {finding.detail} AS detail "
            f"FROM ({finding.sql})"
        )


def _provide_tables(
    connection: duckdb.DuckDBPyConnection,
    store: SnapshotStore,
    manifest: Manifest,
    previous: list[Manifest],
) -> None:
    """Create the tables that findings use, with the rows of one snapshot.

    Those of `snapshots` are the latest two, which a comparison needs.
    """
    name, snapshot_id = manifest.integration.name, manifest.snapshot_id
    connection.execute(f"CREATE SCHEMA {THRESHOLDS.schema}")
    for table in (*INVENTORY_TABLES, COMPLETENESS, CHANGES):
        # An earlier version may have written fewer tables.
        ids = [snapshot_id] if table.name in manifest.sha256 else []
        _create_view(connection, table, name, store.parts(table.name, name, ids))
    ids = [*(one.snapshot_id for one in previous), snapshot_id]
    _create_view(connection, SNAPSHOTS, name, store.parts(SNAPSHOTS.name, name, ids))
    connection.execute(
        f"CREATE TABLE {INTEGRATIONS.qualified_name} AS SELECT $1 AS integration, "
        "$2 AS last_snapshot_id, $3 AS direct_bindings",
        (name, snapshot_id, direct_bindings(manifest)),
    )
    connection.register("threshold_rows", thresholds_table([manifest]))
    connection.execute(f"CREATE TABLE {THRESHOLDS.qualified_name} AS FROM threshold_rows")
    for view in (SUDO_GRANTS, CATALOG):
        connection.execute(f"CREATE VIEW {view.qualified_name} AS {view.sql}")


def _create_view(
    connection: duckdb.DuckDBPyConnection, table: Table, integration: str, files: list[Path]
) -> None:
    """Create a view with the rows of a table in files, and with all of its columns."""
    columns = ", ".join(f'"{c.name}" {c.type}' for c in table.published_columns)
    connection.execute(f'CREATE TABLE "empty_{table.name}" ({columns})')
    sources = [f'FROM "empty_{table.name}"']
    if files:
        sources.append(f"SELECT {quoted(integration)} AS integration, * FROM {parquet(files)}")
    query = " UNION ALL BY NAME ".join(sources)
    connection.execute(f"CREATE VIEW {table.qualified_name} AS {query}")
