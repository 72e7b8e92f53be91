"""Tells load by the time that answers take. Pure, as the rate is."""

from dataclasses import dataclass, field
from statistics import median

LATENCY_CALLS = 32  # the median of so many stays within 30 % although single calls vary by 50 %
FIRST_LATENCY_CALLS = 8  # before the calls themselves make the answers slow
LATENCY_FACTOR = 2.0
HELPED = 0.9  # slowing down that leaves more than this of the latency did not help
LATENCY_DRIFT = 1.01  # of the minimum, each window: an API that became slower is learnt anew


@dataclass
class Latencies:
    """Tells whether answers take twice as long as they can, by medians of some calls each.

    Attributes:
        began_at: when the present window of calls began.
        calls: how many the last full one had.
    """

    began_at: float
    calls: int = 0
    _window: list[float] = field(default_factory=list)
    _lowest_median: float | None = None
    _slowed_at_median: float | None = None

    def restart(self, at: float) -> None:
        """Begin the window anew."""
        self.began_at = at
        self._window.clear()

    def are_slow(self, latency: float) -> bool:
        """Whether this is twice as long as it can be."""
        return latency >= LATENCY_FACTOR * (self._lowest_median or latency)

    def add(self, latency: float) -> bool | None:
        """Whether the window that this call completes was slow; None if it completes none."""
        self._window.append(latency)
        if len(self._window) < (LATENCY_CALLS if self._lowest_median else FIRST_LATENCY_CALLS):
            return None
        now = median(self._window)
        self.calls = len(self._window)
        self._window.clear()
        if self._slowed_at_median and now > HELPED * self._slowed_at_median:
            self._lowest_median = now  # it is not our calls that make the answers slow
        self._lowest_median = min(now, LATENCY_DRIFT * (self._lowest_median or now))
        is_slow = self.are_slow(now)
        self._slowed_at_median = now if is_slow else None
        return is_slow
