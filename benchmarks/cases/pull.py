"""Compare a pull with the shortest possible time and the fewest possible calls."""

from dataclasses import replace
from pathlib import Path

from benchmarks.bare import bare_seconds
from benchmarks.organization import Spec
from benchmarks.runner import Goal, Report, times
from benchmarks.served import IN_FLIGHT, OurRun, Served, run_ours, serve

LATENCY_SECONDS = 0.05
COLD_BOUND = 1.25
REMEMBERED_BOUND = 1.10
CALLS_BOUND = 1.02
PLAIN = Spec(
    systems=5_000,
    users=3_000,
    system_groups=200,
    applications=80,
    latency_ms=LATENCY_SECONDS * 1000,
)
SPECS = {
    "one target a call": PLAIN,
    "targets joined": replace(PLAIN, comma_targets=True),
    # Like real organizations, with holes in the groups' pages.
    "deleted members": replace(PLAIN, deleted_systems=250),
    # A larger report takes the simulator too long.
    "direct bindings by report": replace(
        PLAIN, systems=1_000, users=600, system_groups=100, direct_bindings="report"
    ),
    "no direct bindings": replace(PLAIN, direct_bindings="off"),
}
COLUMNS = (
    "pull",
    "calls",
    "of the cheapest plan",
    "seconds of the pull",
    "calls x 0.05 s / 10",
    "ratio",
    "a bare client's ratio",
    "seconds of the process",
)


def measure(scratch: Path) -> Report:
    """Pull each organization twice: without, then with the remembered rate."""
    rows, goals = [], []
    for title, spec in SPECS.items():
        folder = scratch / title.replace(" ", "-")
        folder.mkdir()
        with serve(spec, folder) as served:
            for name, bound in (("cold", COLD_BOUND), ("remembered", REMEMBERED_BOUND)):
                run = run_ours(served, folder / "data")
                bare = bare_seconds(served, run.calls.total, IN_FLIGHT)
                rows.append(_row(f"{title}, {name}", run, served, bare))
                goals += [
                    Goal(f"{title}, {name}: time", _slowness(run), bound, " x"),
                    Goal(f"{title}, {name}: calls", _waste(run, served), CALLS_BOUND, " x"),
                ]
    return Report("Pull: 200 groups, 5,000 systems, 50 ms a call", COLUMNS, rows, goals)


def _ideal_seconds(run: OurRun) -> float:
    return run.calls.total * LATENCY_SECONDS / IN_FLIGHT


def _slowness(run: OurRun) -> float:
    return run.pull_seconds / _ideal_seconds(run)


def _waste(run: OurRun, served: Served) -> float:
    return run.calls.total / served.cheapest_calls


def _row(name: str, run: OurRun, served: Served, bare: float) -> list[str]:
    return [
        name,
        f"{run.calls.total:,}",
        f"{_waste(run, served):.3f} x",
        f"{run.pull_seconds:.2f}",
        f"{_ideal_seconds(run):.2f}",
        times(_slowness(run)),
        times(bare / _ideal_seconds(run)),
        f"{run.usage.seconds:.1f}",
    ]
