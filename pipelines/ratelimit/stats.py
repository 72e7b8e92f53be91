"""What a throttle did, for the run's record."""

from dataclasses import dataclass

MAX_POINTS = 100


@dataclass(frozen=True)
class RateLimitStats:
    """What the throttle did.

    Attributes:
        rate: calls a second at present.
        good_rate: the rate to start the next run with: just below the limit, where one was met.
        throttled: answers 429.
        paused_seconds: time for which `Retry-After` forbade any call.
        rate_over_time: seconds since the first call, and the rate from then on; thinned.
        is_shared: whether the rate is that of all processes together.
    """

    rate: float
    good_rate: float
    throttled: int
    paused_seconds: float
    rate_over_time: tuple[tuple[float, float], ...]
    is_shared: bool


class Course:
    """The rate over time, thinned."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []
        self._first: float | None = None

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """Seconds since the first note, and the rate from then on."""
        return tuple(self._points)

    def note(self, at: float, rate: float) -> None:
        """Remember the rate, where it is another one than before."""
        rate = round(rate, 2)
        if self._points and self._points[-1][1] == rate:
            return
        if self._first is None:
            self._first = at
        self._points.append((round(at - self._first, 2), rate))
        if len(self._points) > 2 * MAX_POINTS:
            del self._points[1::2]
