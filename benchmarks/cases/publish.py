"""What a publication costs, and whether it costs more when the history is long."""

import json
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.processes import Usage, run
from benchmarks.report import GIB, MIB, Goal, Report, times
from benchmarks.tables import Counts, completeness, tables
from pipelines.history.commit import snapshots_table
from pipelines.history.first_seen import ABSENT, read_removed_assets
from pipelines.history.manifest import Manifest
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import update_duckdb_file
from pipelines.schema.tables import CHANGES, COMPLETENESS, INVENTORY_TABLES, SNAPSHOTS
from pipelines.storage.atomic import write_parquet

# Published by a process of its own; those between have files of the same kind, copied.
MEASURED = (1, 2, 3, 10, 30, 59, 60)
# Of CPU seconds: other work on the machine doubles the others. Some it adds to these too, so of two
# neighbors the lesser counts, and the same publication varies by a few percent all the same.
GROWTH_BOUND = 1.05
PEAK_BOUND = 1.25
TIMEOUT_SECONDS = 300
FIRST_PULL = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(hours=12)
COLUMNS = (
    "snapshot",
    "seconds",
    "of them snapshot",
    "of them DuckDB file",
    "of them report",
    "CPU seconds",
    "of them before the report",
    "those of the second's",
    "peak memory",
    "changes",
    "snapshot on disk",
    "DuckDB file",
)


@dataclass(frozen=True)
class Publication:
    """One measured publication: its number in the history, and what it took and wrote.

    `cpu_seconds` are those until the file was there; `usage` has those of the report as well, whose
    findings tell since when by all changes.
    """

    number: int
    usage: Usage
    commit_seconds: float
    fold_seconds: float
    report_seconds: float
    cpu_seconds: float
    changes: int
    snapshot_bytes: int
    file_bytes: int


def measure(scratch: Path) -> Report:
    """Publish into a history that grows to sixty snapshots, thirty days."""
    counts = Counts()
    history = SnapshotStore(scratch / "data" / "history")
    publications: list[Publication] = []
    for state, number in enumerate(MEASURED):
        if history.latest("acme"):
            lengthen(history, until=number - 1, proofs=completeness(counts))
            # What the copies hold is not for the measured publication to add.
            update_duckdb_file(history, scratch / "data" / "inventory.duckdb")
        pulled = scratch / "pulled"
        for table, rows in tables(counts, state):
            write_parquet(rows, pulled / f"{table.name}.parquet")
        write_parquet(completeness(counts), pulled / "completeness.parquet")
        publications.append(publish(pulled, history, number))
    second, *_ = early = publications[1:3]
    late = publications[-2:]
    peak = max(each.usage.peak_bytes for each in publications)
    first, last = (min(each.cpu_seconds for each in pair) for pair in (early, late))
    return Report(
        f"Publish: {counts.systems:,} systems, {counts.users:,} users, 2 million memberships",
        COLUMNS,
        [_row(each, second) for each in publications],
        [
            Goal(
                "CPU seconds before the report, the sixtieth to the second",
                last / first,
                GROWTH_BOUND,
                " x",
            ),
            Goal("peak memory", peak / GIB, PEAK_BOUND, " GiB"),
        ],
    )


def publish(pulled: Path, history: SnapshotStore, number: int) -> Publication:
    """Publish the tables of a folder as the snapshot of that number, in a process of its own."""
    data_dir = history.root.parent
    log = data_dir.parent / "publish.log"
    started_at = (FIRST_PULL + EVERY * number).isoformat()
    command = [sys.executable, "-m", "benchmarks.publication", pulled, data_dir, started_at]
    usage = run([str(each) for each in command], {}, log, TIMEOUT_SECONDS)
    seconds = json.loads(log.read_text().splitlines()[-1])
    manifest = _latest(history)
    parts = [
        history.part(table.name, "acme", manifest.snapshot_id)
        for table in (*INVENTORY_TABLES, CHANGES, ABSENT, SNAPSHOTS)
    ]
    return Publication(
        number,
        usage,
        seconds["commit"],
        seconds["fold"],
        seconds["report"],
        seconds["cpu"],
        changes=history.read(CHANGES, "acme", manifest.snapshot_id).num_rows,
        snapshot_bytes=sum(part.stat().st_size for part in parts),
        file_bytes=(data_dir / "inventory.duckdb").stat().st_size,
    )


def lengthen(history: SnapshotStore, until: int, proofs: pa.Table) -> None:
    """Lengthen the history: the same tables, as links, and as many changes, of other assets."""
    latest = _latest(history)
    changes = history.read(CHANGES, "acme", latest.snapshot_id)
    absent = history.read(ABSENT, "acme", latest.snapshot_id).drop_columns("integration")
    for number in range(len(history.snapshot_ids("acme")) + 1, until + 1):
        started_at = FIRST_PULL + EVERY * number
        manifest = latest.model_copy(
            update={
                "snapshot_id": f"{started_at:%Y%m%dT%H%M%SZ}",
                "pull": latest.pull.model_copy(update={"started_at": started_at}),
            }
        )
        for table in (*INVENTORY_TABLES, COMPLETENESS):
            link = history.part(table.name, "acme", manifest.snapshot_id)
            link.parent.mkdir(parents=True)
            os.link(history.part(table.name, "acme", latest.snapshot_id), link)
        ids = pc.binary_replace_slice(changes["asset_id"], 0, 3, f"{number:03}")
        others = changes.set_column(changes.schema.get_field_index("asset_id"), "asset_id", ids)
        history.write(CHANGES.name, "acme", manifest.snapshot_id, others)
        part = history.part(CHANGES.name, "acme", manifest.snapshot_id)
        absent = pa.concat_tables([absent, read_removed_assets([part])])
        history.write(ABSENT.name, "acme", manifest.snapshot_id, absent)
        row = snapshots_table(manifest, proofs)
        history.write(SNAPSHOTS.name, "acme", manifest.snapshot_id, row)
        history.commit(manifest)


def _latest(history: SnapshotStore) -> Manifest:
    latest = history.latest("acme")
    assert latest, "nothing was published"  # noqa: S101 -- the process before did not fail
    return latest


def _row(each: Publication, second: Publication) -> list[str]:
    return [
        str(each.number),
        f"{each.usage.seconds:.1f}",
        f"{each.commit_seconds:.1f}",
        f"{each.fold_seconds:.1f}",
        f"{each.report_seconds:.1f}",
        f"{each.usage.cpu_seconds:.1f}",
        f"{each.cpu_seconds:.1f}",
        times(each.cpu_seconds / second.cpu_seconds),
        f"{each.usage.peak_bytes / MIB:,.0f} MiB",
        f"{each.changes:,}",
        f"{each.snapshot_bytes / MIB:,.1f} MiB",
        f"{each.file_bytes / MIB:,.1f} MiB",
    ]
