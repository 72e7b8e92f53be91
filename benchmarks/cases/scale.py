"""Measure the growth of time and memory with the organization."""

from pathlib import Path

from benchmarks.organization import Spec
from benchmarks.runner import GIB, BenchmarkError, Goal, Report, mib, times
from benchmarks.served import MembershipCounts, OurRun, published_memberships, run_ours, serve

STEPS = (1_000, 10_000, 100_000)
MEMBERSHIPS_PER_SYSTEM = 20
PEAK_BOUND = 1.5
TIMEOUT_SECONDS = 1800
COLUMNS = (
    "systems",
    "memberships",
    "calls",
    "seconds",
    "seconds of pulling",
    "growth",
    "CPU seconds",
    "peak memory",
    "growth of memory",
)


def measure(scratch: Path) -> Report:
    """Pull organizations, each ten times the size of the previous one."""
    rows, goals, notes = [], [], []
    before: OurRun | None = None
    for systems in STEPS:
        folder = scratch / str(systems)
        folder.mkdir()
        try:
            run, counts = _pull(systems, folder)
        except BenchmarkError as error:
            # The table of the earlier steps is still worth printing.
            notes.append(f"{systems:,} systems failed: {error}")
            goals.append(Goal(f"{systems:,} systems: runs that failed", 1, 0))
            break
        rows.append(_row(systems, str(counts), run, before))
        goals.append(Goal(f"{systems:,} systems: memberships lost or invented", counts.wrong, 0))
        if systems == STEPS[-1]:
            peak = run.usage.peak_bytes / GIB
            goals.append(Goal(f"{systems:,} systems: peak memory", peak, PEAK_BOUND, " GiB"))
        before = run
    return Report("Scale: the server answers at once", COLUMNS, rows, goals, notes)


def _pull(systems: int, folder: Path) -> tuple[OurRun, MembershipCounts]:
    with serve(_spec(systems), folder) as served:
        run = run_ours(served, folder / "data", timeout_seconds=TIMEOUT_SECONDS)
        found = published_memberships(run.published, folder / "found.parquet")
        return run, served.membership_counts(found)


def _spec(systems: int) -> Spec:
    return Spec(
        systems=systems,
        users=systems // 2,
        system_groups=systems // 50,
        user_groups=18 + systems // 500,
        applications=20 + systems // 1000,
        memberships=MEMBERSHIPS_PER_SYSTEM * systems,
        latency_ms=0,
    )


def _row(systems: int, memberships: str, run: OurRun, before: OurRun | None) -> list[str]:
    usage = run.usage
    return [
        f"{systems:,}",
        memberships,
        f"{run.calls.total:,}",
        f"{usage.seconds:.1f}",
        f"{run.pull_seconds:.1f}",
        times(usage.seconds / before.usage.seconds) if before else "",
        f"{usage.cpu_seconds:.1f}",
        mib(usage.peak_bytes),
        times(usage.peak_bytes / before.usage.peak_bytes) if before else "",
    ]
