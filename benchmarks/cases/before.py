"""What does a run of a small organization cost, compared to an earlier revision?

Whole processes, in turn: the present version, the earlier one, and Dagster's own command for one
empty asset.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from benchmarks.organization import Spec
from benchmarks.runner import HERE, BenchmarkError, Goal, Report, Usage, mib, run
from benchmarks.served import KEY_VARIABLE, Served, serve, write_settings

SPEC = Spec(systems=450, users=300, system_groups=12, applications=6, user_groups=6, latency_ms=0.0)
REVISION_VARIABLE = "BENCHMARK_REVISION"
# Before Dagster's connections were kept.
REVISION = "729d501"
PAIRS = 3
TIMEOUT_SECONDS = 300
HALF = 0.5
EMPTY_ASSET = "import dagster as dg\n\n@dg.asset\ndef empty() -> None: ...\n"
# Without the current folder, which has the present version.
PYTHON = (sys.executable, "-P", "-m")


def measure(scratch: Path) -> Report:
    """Run the three commands in turn, each time with an empty data directory."""
    revision = os.environ.get(REVISION_VARIABLE, REVISION)
    empty = "`dagster asset materialize` of one empty asset"
    usages: dict[str, list[Usage]] = {"now": [], revision: [], empty: []}
    with serve(SPEC, scratch) as served, _checked_out(revision, scratch / "code") as code:
        for number in range(PAIRS):
            for name, folder in (("now", HERE.parent), (revision, code)):
                usages[name].append(_run(served, folder, scratch / f"{name}-{number}"))
            usages[empty].append(_materialize(scratch / f"empty-{number}"))
    now, before, floor = map(_medians, usages.values())
    return Report(
        title="A run of a small organization, in turn with an earlier revision",
        columns=("whole process", "seconds", "CPU seconds", "peak memory"),
        rows=[_row(name, _medians(several)) for name, several in usages.items()],
        goals=[
            Goal(f"seconds, of {revision}", now.seconds / before.seconds, HALF, " x"),
            Goal(f"CPU, of {revision}", now.cpu_seconds / before.cpu_seconds, HALF, " x"),
            Goal("CPU, of the empty asset", now.cpu_seconds / floor.cpu_seconds, 1, " x"),
        ],
    )


@contextmanager
def _checked_out(revision: str, folder: Path) -> Iterator[Path]:
    """Yield a folder with the files of a revision.

    Raises:
        BenchmarkError: Git does not know the revision.
    """
    git = ["git", "-C", str(HERE.parent), "worktree"]
    added = subprocess.run(
        [*git, "add", "--detach", str(folder), revision],
        check=False,
        capture_output=True,
        text=True,
    )
    if added.returncode:
        raise BenchmarkError(f"{revision} cannot be checked out:\n{added.stderr}")
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], check=True)


def _run(served: Served, code: Path, data_dir: Path) -> Usage:
    settings = write_settings(served, data_dir)
    command = ["assets_defs", "run", "--config", str(settings), "--data-dir", str(data_dir)]
    return _python(command, {"PYTHONPATH": str(code), KEY_VARIABLE: served.api_key}, data_dir)


def _materialize(home: Path) -> Usage:
    home.mkdir()
    (home / "empty.py").write_text(EMPTY_ASSET)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    command = ["dagster", "asset", "materialize", "-f", str(home / "empty.py"), "--select", "empty"]
    return _python(command, {"DAGSTER_HOME": str(home)}, home)


def _python(command: list[str], environment: Mapping[str, str], folder: Path) -> Usage:
    return run([*PYTHON, *command], environment, folder / "run.log", TIMEOUT_SECONDS)


def _medians(several: list[Usage]) -> Usage:
    return Usage(
        median(one.seconds for one in several),
        median(one.cpu_seconds for one in several),
        max(one.peak_bytes for one in several),
    )


def _row(name: str, usage: Usage) -> tuple[str, ...]:
    return name, f"{usage.seconds:.1f}", f"{usage.cpu_seconds:.1f}", mib(usage.peak_bytes)
