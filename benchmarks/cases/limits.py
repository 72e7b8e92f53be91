"""How much of the rate that a server allows is used, and how often it has to refuse."""

from pathlib import Path

from benchmarks.organization import Spec
from benchmarks.ours import count_memberships, run_ours
from benchmarks.rate_use import COLUMNS, RateUse
from benchmarks.report import Report
from benchmarks.served import serve

THROTTLED_BOUND = 2
# Organizations of a size that keeps each rate busy for about 75 seconds.
SPECS = {
    8: Spec(systems=1_500, users=1_000, system_groups=68, applications=30),
    25: Spec(systems=3_000, users=2_000, system_groups=215, applications=70),
    100: Spec(systems=5_000, users=3_000, system_groups=900, applications=100),
}


def measure(scratch: Path) -> Report:
    """Pull once, cold, at each rate."""
    rows, goals = [], []
    for rate, spec in SPECS.items():
        folder = scratch / str(rate)
        folder.mkdir()
        limited = Spec(**{**vars(spec), "requests_per_second": rate})
        with serve(limited, folder) as served:
            run = run_ours(served, folder / "data")
            found = count_memberships(run.published, folder / "found.parquet")
            counts = served.membership_counts(found)
        use = RateUse(rate, run.pull_seconds, run.calls, [counts])
        rows.append(use.row())
        goals += use.goals(THROTTLED_BOUND)
    return Report("Limits: a token bucket at the server, 50 ms a call", COLUMNS, rows, goals)
