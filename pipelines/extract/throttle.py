"""When the next call may go out: one throttle per API key, shared by all threads of the process."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from pipelines.extract.rate import START_RATE, Rate
from pipelines.extract.remembered_rates import hash_of

# A wait is cut into naps, so that a rate that was raised meanwhile counts at once.
NAP_SECONDS = 0.02
MOST_POINTS = 100


@dataclass(frozen=True)
class ThrottleStats:
    """What the throttle did.

    Attributes:
        rate: calls a second at present.
        good_rate: the rate to start the next run with: just below the limit, where one was met.
        throttled: answers 429.
        paused_seconds: time for which `Retry-After` forbade any call.
        rate_over_time: seconds since the first call, and the rate from then on; thinned.
    """

    rate: float
    good_rate: float
    throttled: int
    paused_seconds: float
    rate_over_time: tuple[tuple[float, float], ...]


class Throttle:
    """Spaces calls evenly at a rate that it learns. Thread-safe.

    Args:
        start_rate: calls a second to begin with.
        max_rate: never more than this.
        clock: seconds, only forward.
    """

    def __init__(
        self,
        *,
        start_rate: float = START_RATE,
        max_rate: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = Rate(now=start_rate, most=max_rate or float("inf"))
        self._clock = clock
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._first: float | None = None
        self._last = float("-inf")
        self._wakes_at = float("-inf")
        self._paused_until = float("-inf")
        self._paused_seconds = 0.0
        self._throttled = 0
        self._points: list[tuple[float, float]] = []

    def cap(self, max_rate: float | None) -> None:
        """Never send more calls a second than this, nor than an earlier cap."""
        with self._lock:
            self._rate.cap(max_rate or float("inf"))

    def acquire(self, sleep: Callable[[float], None]) -> None:
        """Return when the next call may go out.

        Args:
            sleep: waits; what it raises ends the waiting.
        """
        waited = False
        # One thread waits for its time, the others for their turn: a new rate is met by one call.
        with self._turn:
            while (seconds := self._seconds_to_wait(waited=waited)) > 0:
                waited = True
                sleep(seconds)

    def succeeded(self, latency_seconds: float) -> None:
        """A call was answered in so many seconds."""
        with self._lock:
            self._rate.succeeded(self._clock(), latency_seconds)
            self._note()

    def throttled(self, retry_after_seconds: float | None) -> None:
        """A call was answered 429; with the wait that the answer asks for."""
        with self._lock:
            now, pause = self._clock(), retry_after_seconds or 0.0
            self._throttled += 1
            self._paused_seconds += max(0.0, now + pause - max(now, self._paused_until))
            self._paused_until = max(self._paused_until, now + pause)
            self._rate.refused(now, pause)
            self._note()

    @property
    def stats(self) -> ThrottleStats:
        """What it did so far."""
        with self._lock:
            return ThrottleStats(
                rate=self._rate.now,
                good_rate=self._rate.good,
                throttled=self._throttled,
                paused_seconds=self._paused_seconds,
                rate_over_time=tuple(self._points),
            )

    def _seconds_to_wait(self, *, waited: bool) -> float:
        with self._lock:
            now = self._clock()
            if self._first is None:
                self._first = now
                self._rate.begin(now)
                self._note()
            due = max(self._last + self._rate.interval, self._paused_until)
            if now < due:
                nap = min(due - now, NAP_SECONDS)
                self._wakes_at = now + nap
                return nap
            # A nap that lasted too long must not lower the rate; a rate that was raised during it
            # must not let two calls out at once.
            self._last = max(due, self._wakes_at) if waited else now
            self._rate.sent(now, waited=waited)
            return 0.0

    def _note(self) -> None:
        """Remember the rate, where it is another one than before."""
        rate = round(self._rate.now, 2)
        if self._points and self._points[-1][1] == rate:
            return
        self._points.append((round(self._clock() - (self._first or 0.0), 2), rate))
        if len(self._points) > 2 * MOST_POINTS:
            del self._points[1::2]


_throttles: dict[str, Throttle] = {}
_throttles_lock = threading.Lock()


def throttle_for(key: str, start_rate: float | None, max_rate: float | None) -> Throttle:
    """The one throttle of this key in this process.

    Args:
        key: the API key.
        start_rate: calls a second to begin with, if it is new.
        max_rate: never more than this, nor than any cap given for the key before.
    """
    with _throttles_lock:
        throttle = _throttles.setdefault(
            hash_of(key), Throttle(start_rate=start_rate or START_RATE)
        )
        throttle.cap(max_rate)
        return throttle
