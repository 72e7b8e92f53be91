"""The throttle of a key that processes on several machines use: one rate for all of them."""

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import tenacity

from pipelines.extract.rate import START_RATE
from pipelines.extract.redis_state import RedisState, SharedThrottleError, UnreachableError
from pipelines.extract.shared_pace import SharedPace
from pipelines.extract.throttle_stats import Course, ThrottleStats

# A wait is cut into naps, in which it is asked whether the time that was given still counts, and
# answers that came meanwhile are told.
NAP_SECONDS = 0.05
# While Redis is started again, calls wait: six times, half a minute in all, and then give up.
MAX_TRIES = 7
_wait_before_retry = tenacity.wait_exponential(multiplier=0.5, max=16.0)

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _Slot:
    """The time of a call.

    Attributes:
        due: when, by this process's clock.
        not_before: what forbids any call until then cannot be lifted.
        round: in which it was given; it is void in another.
    """

    due: float
    not_before: float
    round: int


class SharedThrottle:
    """Gives each call its time, by a rate that all processes learn together. Thread-safe.

    A call takes its time first and waits for it in its own process, so that a process that is
    killed holds nobody up. The time is that of Redis: clocks of machines may differ.

    Args:
        state: where the rate is.
        start_rate: calls a second to begin with, where none is known there.
    """

    def __init__(self, state: RedisState, start_rate: float | None) -> None:
        self._state = state
        self._name = uuid.uuid4().hex
        self._cap: float | None = None
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._untold: deque[tuple[float, Callable[[SharedPace, float], None]]] = deque()
        self._rate = self._good_rate = start_rate or START_RATE
        self._course = Course()
        self._throttled = 0
        self._paused_until = 0.0
        self._paused_seconds = 0.0

    def cap(self, max_rate: float | None) -> None:
        """Never send more calls a second than this, nor than an earlier cap; nor may others."""
        with self._lock:
            self._cap = min(filter(None, (self._cap, max_rate)), default=None)

    def acquire(self, sleep: Callable[[float], None]) -> None:
        """Return when the next call may go out.

        Args:
            sleep: waits; what it raises ends the waiting.

        Raises:
            SharedThrottleError: Redis cannot be used, and could not for half a minute.
        """
        patiently = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(UnreachableError),
            stop=tenacity.stop_after_attempt(MAX_TRIES),
            wait=_wait_before_retry,
            sleep=sleep,
            reraise=True,
        )
        with self._turn:
            sleep(0.0)  # those behind a failure need not find out by themselves
            slot = patiently(self._reserve)
            while (left := slot.due - time.monotonic()) > 0:
                sleep(max(slot.not_before - time.monotonic(), min(left, NAP_SECONDS)))
                if patiently(self._round) != slot.round:
                    slot = patiently(self._reserve)

    def succeeded(self, latency_seconds: float) -> None:
        """A call was answered in so many seconds; told with the next call."""
        told = partial(SharedPace.succeeded, latency=latency_seconds)
        self._untold.append((time.monotonic(), told))

    def throttled(self, retry_after_seconds: float | None) -> None:
        """A call was answered 429; with the wait that the answer asks for."""
        told = partial(SharedPace.refused, pause=retry_after_seconds or 0.0)
        self._untold.append((time.monotonic(), told))
        with self._lock:
            self._throttled += 1
        try:
            self._change(lambda _: None)
        except SharedThrottleError:
            return  # told with the next call, which says what is wrong

    @property
    def stats(self) -> ThrottleStats:
        """What this process did so far; the rate as it last saw it."""
        with self._lock:
            return ThrottleStats(
                rate=self._rate,
                good_rate=self._good_rate,
                throttled=self._throttled,
                paused_seconds=self._paused_seconds,
                rate_over_time=self._course.points,
                is_shared=True,
            )

    def _reserve(self) -> _Slot:
        def reserve(pace: SharedPace) -> _Slot:
            ahead = time.monotonic() - pace.at
            return _Slot(pace.reserve() + ahead, pace.paused_until + ahead, pace.round)

        return self._change(reserve)

    def _round(self) -> int | None:
        if self._untold:
            return self._change(lambda pace: pace.round)
        with self._lock:
            pace = self._state.read()
        return pace.round if pace else None

    def _change(self, change: Callable[[SharedPace], _Result]) -> _Result:
        """Tell what was not told yet, and then change the pace."""
        with self._lock:
            untold = list(self._untold)

            def tell(pace: SharedPace | None, now: float) -> tuple[SharedPace, _Result]:
                if pace is None or pace.is_of_another_time(now):
                    pace = SharedPace.begun(now, self._good_rate)
                pace.advance(now)
                pace.cap(self._name, self._cap)
                for heard_at, each in untold:
                    each(pace, pace.at - (time.monotonic() - heard_at))
                return pace, change(pace)

            pace, result = self._state.change(tell)
            for _ in untold:
                self._untold.popleft()
            self._look_at(pace)
            return result

    def _look_at(self, pace: SharedPace) -> None:
        self._rate, self._good_rate = pace.rate.now, pace.rate.good
        self._course.note(time.monotonic(), pace.rate.now)
        if pace.paused_until > self._paused_until:
            self._paused_seconds += pace.paused_until - max(pace.at, self._paused_until)
            self._paused_until = pace.paused_until
