"""How much of the rate that a server allows is used, and how often it has to refuse."""

from pathlib import Path

from benchmarks.organization import Spec
from benchmarks.ours import memberships_of, run_ours
from benchmarks.report import Goal, Report
from benchmarks.served import serve
from pipelines.simulator import Behavior

SHARE_BOUND = 90
THROTTLED_BOUND = 2
# Organisations of a size that keeps each rate busy for about 75 seconds.
SPECS = {
    8: Spec(systems=1_500, users=1_000, system_groups=68, applications=30),
    25: Spec(systems=3_000, users=2_000, system_groups=215, applications=70),
    100: Spec(systems=5_000, users=3_000, system_groups=900, applications=100),
}
COLUMNS = (
    "allowed calls/s",
    "seconds of the pull",
    "calls",
    "share of the allowed rate",
    "answered 429",
    "memberships",
)


def measure(scratch: Path) -> Report:
    """Pull once, cold, at each rate."""
    rows, goals = [], []
    for rate, spec in SPECS.items():
        folder = scratch / str(rate)
        folder.mkdir()
        limited = Spec(**{**vars(spec), "requests_per_second": rate})
        with serve(limited, folder) as served:
            run = run_ours(served, folder / "data")
            found = memberships_of(run.published, folder / "found.parquet")
            counts = served.membership_counts(found)
        # The bucket is full at the start, so its burst comes on top of the rate.
        allowed = rate * run.pull_seconds + Behavior.burst
        share = 100 * (run.calls.total - run.calls.throttled) / allowed
        throttled = 100 * run.calls.throttled / run.calls.total
        rows.append(
            [
                f"{rate}",
                f"{run.pull_seconds:.1f}",
                f"{run.calls.total:,}",
                f"{share:.1f} %",
                f"{throttled:.2f} %",
                str(counts),
            ]
        )
        goals += [
            Goal(f"{rate} calls/s: share of the rate", share, SHARE_BOUND, " %", at_least=True),
            Goal(f"{rate} calls/s: answered 429", throttled, THROTTLED_BOUND, " %"),
            Goal(f"{rate} calls/s: memberships lost or invented", counts.wrong, 0),
        ]
    return Report("Limits: a token bucket at the server, 50 ms a call", COLUMNS, rows, goals)
