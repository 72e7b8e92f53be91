"""Measure commands on a short and on a long history of a small organization.

The snapshots are copies of a real one, with correct manifests. The first run expires the old ones.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.organization import Spec
from benchmarks.runner import Goal, Report, Usage, run, times
from benchmarks.served import COMMAND, KEY_VARIABLE, Served, run_ours, serve
from pipelines.history.manifest import Manifest
from pipelines.history.store import SnapshotStore

LENGTHS = (20, 2_000)
SPEC = Spec(systems=450, users=200, system_groups=12, applications=5, latency_ms=0)
NAME = "benchmark"
EVERY = timedelta(hours=12)
# The middle of the shorter history: retention keeps its tables in both.
PAST = timedelta(days=5)
GROWTH_BOUND = 1.1
TIMEOUT_SECONDS = 300
# CPU seconds vary by a few percent, so the smallest of some counts.
REPEATS = 3
COLUMNS = ("command", *(f"CPU s, {number:,} snapshots" for number in LENGTHS), "ratio")


def measure(scratch: Path) -> Report:
    """Run each command on both histories, in turn."""
    with serve(SPEC, scratch) as served:
        run_ours(served, scratch / "original")
        history = SnapshotStore(scratch / "original" / "history")
        (original,) = history.manifests(NAME)
        now = datetime.now(UTC)
        for number in LENGTHS:
            data_dir = scratch / str(number)
            _copy(history, original, SnapshotStore(data_dir / "history"), number, now)
            run_ours(served, data_dir, timeout_seconds=TIMEOUT_SECONDS)
        usages = [_measure(served, scratch, now - PAST) for _ in range(REPEATS)]
    rows, goals = [], []
    for command in usages[0]:
        short, long = (
            min(usage[command][number].cpu_seconds for usage in usages) for number in LENGTHS
        )
        rows.append([command, f"{short:.2f}", f"{long:.2f}", times(long / short)])
        goals.append(Goal(f"{command}: CPU seconds", long / short, GROWTH_BOUND, " x"))
    return Report("History: the same commands with more snapshots", COLUMNS, rows, goals)


def _copy(
    source: SnapshotStore, original: Manifest, target: SnapshotStore, number: int, now: datetime
) -> None:
    """Fill a history with copies of a snapshot, the last of them one interval ago."""
    before = ""
    for place in range(number):
        started_at = now - EVERY * (number - place)
        pull = {"started_at": started_at, "finished_at": started_at + timedelta(minutes=1)}
        manifest = original.model_copy(
            update={
                "snapshot_id": f"{started_at:%Y%m%dT%H%M%SZ}",
                "pull": original.pull.model_copy(update=pull),
                "previous_sha256": before,
            }
        )
        for table in original.sha256:
            link = target.part(table, NAME, manifest.snapshot_id)
            link.parent.mkdir(parents=True)
            os.link(source.part(table, NAME, original.snapshot_id), link)
        target.commit(manifest)
        before = target.manifest_sha256(NAME, manifest.snapshot_id)


def _measure(served: Served, scratch: Path, at: datetime) -> Mapping[str, Mapping[int, Usage]]:
    """Run each command once on each history."""
    commands = {
        "run": ["run"],
        "diff": ["diff"],
        "sql --at": ["sql", "--at", f"{at:%Y-%m-%dT%H:%M:%SZ}", "FROM systems LIMIT 1"],
        "status": ["status"],
    }
    return {
        name: {number: _run(arguments, served, scratch / str(number)) for number in LENGTHS}
        for name, arguments in commands.items()
    }


def _run(arguments: list[str], served: Served, data_dir: Path) -> Usage:
    environment = {KEY_VARIABLE: served.api_key}
    paths = ["--data-dir", str(data_dir)]
    if arguments[0] != "sql":
        paths += ["--config", str(data_dir / "integrations.toml")]
    command = [str(COMMAND), arguments[0], *paths, *arguments[1:]]
    return run(command, environment, data_dir / "command.log", TIMEOUT_SECONDS)
