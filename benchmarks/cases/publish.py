"""Measure a publication, and its growth with the length of the history.

`python -m benchmarks.cases.publish TABLES DATA_DIR STARTED_AT` publishes one pull from a folder of
tables: the process that is measured.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.runner import GIB, MIB, Goal, Report, Usage, run, times
from benchmarks.tables import Counts, completeness, tables
from pipelines.config.settings import VOLATILE_COLUMNS
from pipelines.history.commit import (
    ABSENT_ASSETS,
    PulledTables,
    commit_snapshot,
    read_removed_assets,
    snapshots_table,
)
from pipelines.history.manifest import IntegrationFacts, Manifest, PullFacts
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import update_duckdb_file
from pipelines.report.render import write_report
from pipelines.schema.tables import CHANGES, COMPLETENESS, INVENTORY_TABLES, SNAPSHOTS
from pipelines.storage.atomic import write_parquet

# These are published by processes of their own; the snapshots between are copies.
MEASURED = (1, 2, 3, 10, 30, 59, 60)
# CPU seconds, because other work on the machine doubles wall-clock time. They vary by a few percent
# too, so the smaller of two neighbors counts.
GROWTH_BOUND = 1.05
PEAK_BOUND = 1.25
TIMEOUT_SECONDS = 300
INTEGRATION = IntegrationFacts(
    name="acme", type="jumpcloud", scope="cloud", description="", region="us", enabled=True
)
FIRST_PULL = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(hours=12)
COLUMNS = (
    "snapshot",
    "seconds",
    "of snapshot",
    "of DuckDB file",
    "of report",
    "CPU seconds",
    "CPU seconds without report",
    "ratio to the second",
    "peak memory",
    "changes",
    "snapshot on disk",
    "DuckDB file",
)


@dataclass(frozen=True)
class Publication:
    """One measured publication.

    Attributes:
        number: Its place in the history, from 1.
        usage: Cost of the whole process.
        took: Seconds of `commit`, `build` and `report`, and `cpu` seconds before the report.
        changes: Rows of `changes` that it added.
        snapshot_bytes, file_bytes: Sizes on disk.
    """

    number: int
    usage: Usage
    took: dict[str, float]
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
            _lengthen(history, until=number - 1, proofs=completeness(counts))
            # The measured publication must add its own snapshot only.
            update_duckdb_file(history, scratch / "data" / "inventory.duckdb")
        pulled = scratch / "pulled"
        for table, rows in tables(counts, state):
            write_parquet(rows, pulled / f"{table.name}.parquet")
        write_parquet(completeness(counts), pulled / "completeness.parquet")
        publications.append(_publish(pulled, history, number))
    second, *_ = early = publications[1:3]
    late = publications[-2:]
    peak = max(publication.usage.peak_bytes for publication in publications)
    first, last = (min(one.took["cpu"] for one in pair) for pair in (early, late))
    return Report(
        f"Publish: {counts.systems:,} systems, {counts.users:,} users, 2 million memberships",
        COLUMNS,
        [_row(publication, second) for publication in publications],
        [
            Goal("CPU seconds, the sixtieth to the second", last / first, GROWTH_BOUND, " x"),
            Goal("peak memory", peak / GIB, PEAK_BOUND, " GiB"),
        ],
    )


def _publish(pulled: Path, history: SnapshotStore, number: int) -> Publication:
    """Publish the tables of a folder in a process of its own."""
    data_dir = history.root.parent
    log = data_dir.parent / "publish.log"
    started_at = (FIRST_PULL + EVERY * number).isoformat()
    command = [sys.executable, "-m", "benchmarks.cases.publish", pulled, data_dir, started_at]
    usage = run(list(map(str, command)), {}, log, TIMEOUT_SECONDS)
    took = json.loads(log.read_text().splitlines()[-1])
    manifest = _latest(history)
    parts = [
        history.part(table.name, "acme", manifest.snapshot_id)
        for table in (*INVENTORY_TABLES, CHANGES, ABSENT_ASSETS, SNAPSHOTS)
    ]
    return Publication(
        number,
        usage,
        took,
        changes=history.read(CHANGES, "acme", manifest.snapshot_id).num_rows,
        snapshot_bytes=sum(part.stat().st_size for part in parts),
        file_bytes=(data_dir / "inventory.duckdb").stat().st_size,
    )


def _lengthen(history: SnapshotStore, until: int, proofs: pa.Table) -> None:
    """Lengthen the history with linked tables, and as many changes of other assets."""
    latest = _latest(history)
    changes = history.read(CHANGES, "acme", latest.snapshot_id)
    absent = history.read(ABSENT_ASSETS, "acme", latest.snapshot_id).drop_columns("integration")
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
        sha256 = {CHANGES.name: history.write(CHANGES.name, "acme", manifest.snapshot_id, others)}
        part = history.part(CHANGES.name, "acme", manifest.snapshot_id)
        absent = pa.concat_tables([absent, read_removed_assets([part])])
        row = snapshots_table(manifest, proofs)
        for name, rows in ((ABSENT_ASSETS.name, absent), (SNAPSHOTS.name, row)):
            sha256[name] = history.write(name, "acme", manifest.snapshot_id, rows)
        history.commit(manifest.model_copy(update={"sha256": manifest.sha256 | sha256}))


def _latest(history: SnapshotStore) -> Manifest:
    latest = history.latest("acme")
    assert latest, "nothing was published"  # noqa: S101 -- the earlier process succeeded
    return latest


def _row(publication: Publication, second: Publication) -> list[str]:
    took, usage = publication.took, publication.usage
    return [
        str(publication.number),
        f"{usage.seconds:.1f}",
        f"{took['commit']:.1f}",
        f"{took['build']:.1f}",
        f"{took['report']:.1f}",
        f"{usage.cpu_seconds:.1f}",
        f"{took['cpu']:.1f}",
        times(took["cpu"] / second.took["cpu"]),
        f"{usage.peak_bytes / MIB:,.0f} MiB",
        f"{publication.changes:,}",
        f"{publication.snapshot_bytes / MIB:,.1f} MiB",
        f"{publication.file_bytes / MIB:,.1f} MiB",
    ]


def pull_facts(started_at: datetime, proofs: pa.Table) -> PullFacts:
    """Return the facts of a pull with these proofs."""
    return PullFacts(
        started_at=started_at,
        finished_at=started_at + timedelta(minutes=2),
        api_calls=50_000,
        api_retries=0,
        throttled=0,
        organization_id=None,
        organization_name=None,
        endpoints=frozenset(map(str, proofs["endpoint"].to_pylist())),
        association_targets=frozenset({"user", "user_group"}),
    )


def main() -> None:
    """Publish the tables of the command line, and print the seconds of each step as JSON."""
    pulled, data_dir = Path(sys.argv[1]), Path(sys.argv[2])
    started_at = datetime.fromisoformat(sys.argv[3])
    proofs = _read(pulled, "completeness")
    history = SnapshotStore(data_dir / "history")
    pull = pull_facts(started_at, proofs)
    begun = time.monotonic()
    pulled_tables = PulledTables(pull, proofs, partial(_read, pulled))
    commit_snapshot(history, INTEGRATION, pulled_tables, "run", VOLATILE_COLUMNS)
    committed = time.monotonic()
    update_duckdb_file(history, data_dir / "inventory.duckdb")
    built, cpu_seconds = time.monotonic(), time.process_time()
    write_report(data_dir / "inventory.duckdb", data_dir / "report.html")
    steps = {
        "commit": committed - begun,
        "build": built - committed,
        "report": time.monotonic() - built,
    }
    print(json.dumps(steps | {"cpu": cpu_seconds}))


def _read(folder: Path, table: str) -> pa.Table:
    return pq.read_table(folder / f"{table}.parquet")


if __name__ == "__main__":
    main()
