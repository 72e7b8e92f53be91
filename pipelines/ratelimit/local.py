"""The throttle of a key that this process alone uses, with all its threads."""

import threading
import time
from collections.abc import Callable

from pipelines.ratelimit.adaptive import START_RATE, Rate
from pipelines.ratelimit.stats import Course, RateLimitStats

# A wait is cut into naps, so that a rate that was raised meanwhile counts at once.
NAP_SECONDS = 0.02


class LocalRateLimiter:
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
        self._has_begun = False
        self._last = float("-inf")
        self._wakes_at = float("-inf")
        self._paused_until = float("-inf")
        self._paused_seconds = 0.0
        self._throttled = 0
        self._course = Course()

    def cap(self, max_rate: float | None) -> None:
        """Never send more calls a second than this, nor than an earlier cap."""
        with self._lock:
            self._rate.cap(min(self._rate.most, max_rate or float("inf")))

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
            now = self._clock()
            self._rate.succeeded(now, latency_seconds)
            self._course.note(now, self._rate.now)

    def throttled(self, retry_after_seconds: float | None) -> None:
        """A call was answered 429; with the wait that the answer asks for."""
        with self._lock:
            now, pause = self._clock(), retry_after_seconds or 0.0
            self._throttled += 1
            self._paused_seconds += max(0.0, now + pause - max(now, self._paused_until))
            self._paused_until = max(self._paused_until, now + pause)
            self._rate.refused(now, pause)
            self._course.note(now, self._rate.now)

    @property
    def stats(self) -> RateLimitStats:
        """What it did so far."""
        with self._lock:
            return RateLimitStats(
                rate=self._rate.now,
                good_rate=self._rate.good,
                throttled=self._throttled,
                paused_seconds=self._paused_seconds,
                rate_over_time=self._course.points,
                is_shared=False,
            )

    def _seconds_to_wait(self, *, waited: bool) -> float:
        with self._lock:
            now = self._clock()
            if not self._has_begun:
                self._has_begun = True
                self._rate.begin(now)
                self._course.note(now, self._rate.now)
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
