"""Statistics of a rate limiter, for the metadata of a run."""

from dataclasses import dataclass

MAX_POINTS = 100


@dataclass(frozen=True)
class RateLimitStats:
    """What a rate limiter did.

    Attributes:
        rate: calls a second at present.
        good_rate: calls a second to start the next run with.
        throttled: number of 429 responses.
        paused_seconds: time during which `Retry-After` forbade any call.
        rate_over_time: seconds since the first call, and calls a second from then on; thinned.
        is_shared: True where all processes of the key share the rate.
    """

    rate: float
    good_rate: float
    throttled: int
    paused_seconds: float
    rate_over_time: tuple[tuple[float, float], ...]
    is_shared: bool


class RateHistory:
    """The rate over time, thinned to at most twice `MAX_POINTS`."""

    def __init__(self) -> None:
        self._points: list[tuple[float, float]] = []
        self._first_at: float | None = None

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """Return the seconds since the first point, and the rate from then on."""
        return tuple(self._points)

    def add(self, at: float, rate: float) -> None:
        """Add the rate if it has changed."""
        rate = round(rate, 2)
        if self._points and self._points[-1][1] == rate:
            return
        if self._first_at is None:
            self._first_at = at
        self._points.append((round(at - self._first_at, 2), rate))
        if len(self._points) > 2 * MAX_POINTS:
            del self._points[1::2]
