"""Measure a downstream asset's pandas frame against a plain read of the same Parquet file.

`python -m benchmarks.cases.frames READER DATA_DIR` loads 2 million memberships: the process that
is measured. Both readers import the same packages first, as a Dagster run does.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.cases.publish import FIRST_PULL, INTEGRATION, pull_facts
from benchmarks.runner import Goal, Report, Usage, mib, run, times
from benchmarks.tables import Counts, completeness, tables
from pipelines.history.manifest import Manifest
from pipelines.history.store import SnapshotStore
from pipelines.publish.frames import PublishedFrames
from pipelines.schema.tables import SYSTEM_GROUP_MEMBERS
from pipelines.workspace import Workspace

BOUND = 1.3
# The readers take turns, and the best of each counts: other work on the machine slows both.
TURNS = 5
TIMEOUT_SECONDS = 120
SNAPSHOT = "20260101T000000Z"
COLUMNS = ("reader", "seconds", "CPU seconds", "peak memory")


def measure(scratch: Path) -> Report:
    """Load the memberships of a large organization with each reader, in turns."""
    counts = Counts()
    rows = _publish(scratch, counts)
    found: dict[str, list[tuple[dict[str, float], Usage]]] = {name: [] for name in READERS}
    for _ in range(TURNS):
        for name, results in found.items():
            results.append(_load(name, scratch))
    best = {
        name: (
            min(took["seconds"] for took, _ in results),
            min(took["cpu"] for took, _ in results),
            min(usage.peak_bytes for _, usage in results),
        )
        for name, results in found.items()
    }
    ours, plain = best["frame"], best["plain"]
    return Report(
        f"Frames: {rows:,} memberships as a pandas frame",
        COLUMNS,
        [
            [name, f"{seconds:.2f}", f"{cpu:.2f}", mib(peak)]
            for name, (seconds, cpu, peak) in best.items()
        ],
        [
            Goal("seconds, to a plain read", ours[0] / plain[0], BOUND, " x"),
            Goal("peak memory, to a plain read", ours[2] / plain[2], BOUND, " x"),
        ],
        [f"CPU seconds, to a plain read: {times(ours[1] / plain[1])}"],
    )


def _publish(data_dir: Path, counts: Counts) -> int:
    """Commit a snapshot that has only the memberships; return their number."""
    history = SnapshotStore(Workspace(data_dir).history_folder)
    (rows,) = (one for table, one in tables(counts, 0) if table is SYSTEM_GROUP_MEMBERS)
    sha256 = history.write(SYSTEM_GROUP_MEMBERS.name, INTEGRATION.name, SNAPSHOT, rows)
    manifest = Manifest(
        snapshot_id=SNAPSHOT,
        run_id="run",
        integration=INTEGRATION,
        pull=pull_facts(FIRST_PULL, completeness(counts)),
        rows={},
        sha256={SYSTEM_GROUP_MEMBERS.name: sha256},
    )
    history.commit(manifest)
    return rows.num_rows


def _load(reader: str, data_dir: Path) -> tuple[dict[str, float], Usage]:
    """Load the memberships in a process of its own."""
    log = data_dir / "load.log"
    command = [sys.executable, "-m", "benchmarks.cases.frames", reader, str(data_dir)]
    usage = run(command, {}, log, TIMEOUT_SECONDS)
    return json.loads(log.read_text().splitlines()[-1]), usage


def _frame(workspace: Workspace) -> pd.DataFrame:
    return PublishedFrames(workspace).table(SYSTEM_GROUP_MEMBERS.name).pandas()


def _plain(workspace: Workspace) -> pd.DataFrame:
    (file,) = workspace.history_folder.glob(f"{SYSTEM_GROUP_MEMBERS.name}/*/*/*.parquet")
    frame: pd.DataFrame = pq.read_table(file, partitioning=None).to_pandas()
    return frame


READERS: dict[str, Callable[[Workspace], pd.DataFrame]] = {"plain": _plain, "frame": _frame}


def main() -> None:
    """Load the memberships, and print the seconds that it took."""
    read, workspace = READERS[sys.argv[1]], Workspace(Path(sys.argv[2]))
    pa.array([""]).to_pandas()  # loads what pyarrow needs of pandas
    started, cpu = time.monotonic(), time.process_time()
    frame = read(workspace)
    took = {"seconds": time.monotonic() - started, "cpu": time.process_time() - cpu}
    print(json.dumps(took | {"rows": len(frame)}))


if __name__ == "__main__":
    main()
