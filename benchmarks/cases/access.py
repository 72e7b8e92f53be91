"""Measure what direct bindings add to a publication from raw tables.

`python -m benchmarks.cases.access RAW_TABLES DATA_DIR STARTED_AT` transforms and publishes one pull
from a folder of raw tables: the process that is measured.
"""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from assets_defs.assets.inventory_tables import transform_tables
from benchmarks.cases.publish import EVERY, FIRST_PULL, INTEGRATION, pull_facts
from benchmarks.raw_tables import RawCounts, raw_tables
from benchmarks.runner import Goal, Report, Usage, mib, run
from pipelines.config.settings import VOLATILE_COLUMNS
from pipelines.history.commit import PulledTables, commit_snapshot
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import update_duckdb_file
from pipelines.sql import in_memory
from pipelines.storage.atomic import write_parquet

TIMEOUT_SECONDS = 600
MEMORY_BOUND = 1.05
COUNTS = RawCounts()
COLUMNS = (
    "publication",
    "seconds",
    "of transforms",
    "of snapshot",
    "of DuckDB file",
    "CPU seconds",
    "peak memory",
    "largest transform",
)


def measure(scratch: Path, counts: RawCounts = COUNTS) -> Report:
    """Publish an organization twice, without and with direct bindings."""
    rows, peaks = [], []
    for bindings in (0, counts.direct_bindings):
        folder = scratch / str(bindings)
        usages = []
        for state, name in enumerate(("first", "second")):
            usage, took = _publish(replace(counts, direct_bindings=bindings), state, folder)
            usages.append(usage)
            rows.append(_row(f"{bindings:,} direct bindings, {name}", usage, took))
        peaks.append(max(usage.peak_bytes for usage in usages))
    title = f"Access: {counts.systems:,} systems, {counts.users:,} users"
    goal = Goal("peak memory, with to without", peaks[1] / peaks[0], MEMORY_BOUND, " x")
    return Report(f"{title}, {counts.memberships:,} memberships", COLUMNS, rows, [goal])


def _publish(counts: RawCounts, state: int, folder: Path) -> tuple[Usage, dict[str, float]]:
    """Publish raw tables in a process of its own; return its cost, and the seconds of its steps."""
    raw, log = folder / "raw", folder / "publish.log"
    for name, rows in raw_tables(counts, state):
        write_parquet(rows, raw / f"{name}.parquet")
    started_at = (FIRST_PULL + EVERY * state).isoformat()
    command = [sys.executable, "-m", "benchmarks.cases.access", raw, folder / "data", started_at]
    usage = run(list(map(str, command)), {}, log, TIMEOUT_SECONDS)
    return usage, json.loads(log.read_text().splitlines()[-1])


def _row(name: str, usage: Usage, took: dict[str, float]) -> list[str]:
    transforms = {step: value for step, value in took.items() if step.startswith("peak ")}
    largest = max(transforms, key=lambda step: transforms[step])
    return [
        name,
        f"{usage.seconds:.1f}",
        *(f"{took[step]:.1f}" for step in ("transforms", "commit", "build")),
        f"{usage.cpu_seconds:.1f}",
        mib(usage.peak_bytes),
        f"{largest.removeprefix('peak ')} (+{mib(int(transforms[largest]))})",
    ]


def main() -> None:
    """Publish the raw tables of the command line, and print the seconds of each step as JSON."""
    raw, data_dir = Path(sys.argv[1]), Path(sys.argv[2])
    started_at = datetime.fromisoformat(sys.argv[3])
    proofs = _read(raw / "completeness.parquet")
    steps: dict[str, float] = {}
    pa.set_memory_pool(pa.system_memory_pool())  # like a pull
    with in_memory() as connection:
        begun = time.monotonic()
        for name, rows, peak_growth in _transform(raw, connection):
            steps[f"peak {name}"] = peak_growth
            write_parquet(rows, data_dir / "tables" / f"{name}.parquet")
            del rows
        transformed = time.monotonic()
        pull = pull_facts(started_at, proofs)
        history = SnapshotStore(data_dir / "history")
        pulled = PulledTables(
            pull,
            proofs,
            lambda name: _read(data_dir / "tables" / f"{name}.parquet"),
            connection,
        )
        commit_snapshot(history, INTEGRATION, pulled, "run", VOLATILE_COLUMNS)
    committed = time.monotonic()
    update_duckdb_file(history, data_dir / "inventory.duckdb")
    steps["transforms"], steps["commit"] = transformed - begun, committed - transformed
    steps["build"] = time.monotonic() - committed
    print(json.dumps(steps))


def _transform(
    raw: Path, connection: duckdb.DuckDBPyConnection
) -> Iterator[tuple[str, pa.Table, int]]:
    """Yield the name and rows of each table, and by how many bytes it raised the peak memory."""
    peak = _peak_bytes()
    results = transform_tables(
        INTEGRATION.name,
        lambda source: _read(raw / f"{source.removeprefix('jumpcloud.')}.parquet"),
        connection,
    )
    for table, rows, _ in results:
        yield table.name, rows, _peak_bytes() - peak
        peak = _peak_bytes()
        del rows


def _read(path: Path) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read()


def _peak_bytes() -> int:
    """Return the peak resident memory of this process so far."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    main()
