"""Measure the share of a server's rate that is used, and the share of refused calls."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.organization import Spec
from benchmarks.runner import Goal, Report
from benchmarks.served import Calls, MembershipCounts, published_memberships, run_ours, serve
from pipelines.simulator import Behavior

SHARE_BOUND = 90
THROTTLED_BOUND = 2
# The sizes keep each rate busy for about 75 seconds.
SPECS = {
    8: Spec(systems=1_500, users=1_000, system_groups=68, applications=30),
    25: Spec(systems=3_000, users=2_000, system_groups=215, applications=70),
    100: Spec(systems=5_000, users=3_000, system_groups=900, applications=100),
}
COLUMNS = (
    "allowed calls/s",
    "seconds of pulling",
    "calls",
    "share of the allowed rate",
    "answered 429",
    "memberships",
)


@dataclass(frozen=True)
class RateUse:
    """The use of a server's token bucket by one or more pulls.

    Attributes:
        rate: Allowed calls a second.
        seconds: Time from the start of the first pull to the end of the last.
        calls: Calls of all pulls.
        memberships: Memberships found by each pull.
    """

    rate: int
    seconds: float
    calls: Calls
    memberships: Sequence[MembershipCounts]

    @property
    def share(self) -> float:
        """Return the answered calls, in percent of those allowed."""
        # The bucket is full at the start, so its burst is added to the rate.
        allowed = self.rate * self.seconds + Behavior.burst
        return 100 * (self.calls.total - self.calls.throttled) / allowed

    @property
    def throttled(self) -> float:
        """Return the calls answered with 429, in percent of those sent."""
        return 100 * self.calls.throttled / self.calls.total

    def row(self) -> list[str]:
        """Return the cells of the table."""
        return [
            f"{self.rate}",
            f"{self.seconds:.1f}",
            f"{self.calls.total:,}",
            f"{self.share:.1f} %",
            f"{self.throttled:.2f} %",
            ", ".join(map(str, self.memberships)),
        ]

    def goals(self, throttled_bound: float) -> list[Goal]:
        """Return the goals: a well used rate, few refusals, and nothing lost."""
        rate, wrong = f"{self.rate} calls/s", sum(counts.wrong for counts in self.memberships)
        return [
            Goal(f"{rate}: share of the rate", self.share, SHARE_BOUND, " %", at_least=True),
            Goal(f"{rate}: answered 429", self.throttled, throttled_bound, " %"),
            Goal(f"{rate}: memberships lost or invented", wrong, 0),
        ]


def measure(scratch: Path) -> Report:
    """Pull once, with no remembered rate, at each limit."""
    rows, goals = [], []
    for rate, spec in SPECS.items():
        folder = scratch / str(rate)
        folder.mkdir()
        with serve(replace(spec, requests_per_second=rate), folder) as served:
            run = run_ours(served, folder / "data")
            found = published_memberships(run.published, folder / "found.parquet")
            counts = served.membership_counts(found)
        use = RateUse(rate, run.pull_seconds, run.calls, [counts])
        rows.append(use.row())
        goals += use.goals(THROTTLED_BOUND)
    return Report("Limits: a token bucket at the server, 50 ms a call", COLUMNS, rows, goals)
