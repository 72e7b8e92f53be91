"""How much of the rate that a server allows was used, and how often it had to refuse."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.report import Goal
from benchmarks.served import Calls, MembershipCounts
from pipelines.simulator import Behavior

SHARE_BOUND = 90
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
    """What was pulled from a server with a token bucket.

    Attributes:
        rate: calls a second that it allows.
        seconds: from the start of the first pull to the end of the last.
        calls: of all pulls.
        memberships: what each pull found.
    """

    rate: int
    seconds: float
    calls: Calls
    memberships: Sequence[MembershipCounts]

    @property
    def share(self) -> float:
        """Calls answered, in percent of those allowed."""
        # The bucket is full at the start, so its burst comes on top of the rate.
        allowed = self.rate * self.seconds + Behavior.burst
        return 100 * (self.calls.total - self.calls.throttled) / allowed

    @property
    def throttled(self) -> float:
        """Calls answered 429, in percent of those sent."""
        return 100 * self.calls.throttled / self.calls.total

    def row(self) -> list[str]:
        """Cells of the table."""
        return [
            f"{self.rate}",
            f"{self.seconds:.1f}",
            f"{self.calls.total:,}",
            f"{self.share:.1f} %",
            f"{self.throttled:.2f} %",
            ", ".join(map(str, self.memberships)),
        ]

    def goals(self, throttled_bound: float) -> list[Goal]:
        """Nearly all of the rate is used, few calls are refused, and nothing is lost."""
        at, wrong = f"{self.rate} calls/s", sum(each.wrong for each in self.memberships)
        return [
            Goal(f"{at}: share of the rate", self.share, SHARE_BOUND, " %", at_least=True),
            Goal(f"{at}: answered 429", self.throttled, throttled_bound, " %"),
            Goal(f"{at}: memberships lost or invented", wrong, 0),
        ]
