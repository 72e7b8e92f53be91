"""The rate limiter protocol, and the registry of one rate limiter per API key."""

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from pipelines.errors import SettingsError
from pipelines.ratelimit.adaptive import START_RATE, AdaptiveRate
from pipelines.ratelimit.saved_rates import key_fingerprint
from pipelines.ratelimit.stats import RateHistory, RateLimitStats

NAP_SECONDS = 0.02  # a wait is cut into naps, so that a rate that rose meanwhile counts at once


class LocalRateLimiter:
    """Spaces calls evenly at a rate that it learns from the responses. Thread-safe.

    Args:
        start_rate: initial calls a second.
        max_rate: maximum calls a second.
        clock: monotonic clock in seconds.
    """

    def __init__(
        self,
        *,
        start_rate: float = START_RATE,
        max_rate: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = AdaptiveRate(current=start_rate, max=max_rate or float("inf"))
        self._clock = clock
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._begun = False
        self._last_due = float("-inf")
        self._wakes_at = float("-inf")
        self._paused_until = float("-inf")
        self._paused_seconds = 0.0
        self._throttled = 0
        self._history = RateHistory()

    def set_max_rate(self, max_rate: float | None) -> None:
        """Lower the maximum rate in calls a second. A higher value, or None, changes nothing."""
        with self._lock:
            self._rate.set_max(min(self._rate.max, max_rate or float("inf")))

    def acquire(self, sleep: Callable[[float], None]) -> None:
        """Wait until the next call may be sent.

        Args:
            sleep: function that waits the given seconds. An exception from it ends the wait.
        """
        waited = False
        # One thread waits for its time and the others for the lock, so that a changed rate concerns
        # a single call.
        with self._turn:
            while (seconds := self._seconds_to_wait(waited=waited)) > 0:
                waited = True
                sleep(seconds)

    def record_success(self, latency_seconds: float) -> None:
        """Record an accepted call, and the seconds until its response arrived."""
        with self._lock:
            now = self._clock()
            self._rate.record_success(now, latency_seconds)
            self._history.add(now, self._rate.current)

    def record_throttled(self, retry_after_seconds: float | None) -> None:
        """Record a 429, and the wait that its `Retry-After` asks for, if any."""
        with self._lock:
            now, pause = self._clock(), retry_after_seconds or 0.0
            self._throttled += 1
            self._paused_seconds += max(0.0, now + pause - max(now, self._paused_until))
            self._paused_until = max(self._paused_until, now + pause)
            self._rate.record_throttled(now, pause)
            self._history.add(now, self._rate.current)

    @property
    def stats(self) -> RateLimitStats:
        """Return what the rate limiter did so far."""
        with self._lock:
            return RateLimitStats(
                rate=self._rate.current,
                good_rate=self._rate.best,
                throttled=self._throttled,
                paused_seconds=self._paused_seconds,
                rate_over_time=self._history.points,
                is_shared=False,
            )

    def _seconds_to_wait(self, *, waited: bool) -> float:
        with self._lock:
            now = self._clock()
            if not self._begun:
                self._begun = True
                self._rate.begin(now)
                self._history.add(now, self._rate.current)
            due = max(self._last_due + self._rate.interval, self._paused_until)
            if now < due:
                nap = min(due - now, NAP_SECONDS)
                self._wakes_at = now + nap
                return nap
            # A nap that lasted too long must not lower the rate. A rate that rose during the nap
            # must not release two calls at once.
            self._last_due = max(due, self._wakes_at) if waited else now
            self._rate.record_sent(now, waited=waited)
            return 0.0


THROTTLE_VARIABLE = "JUMPCLOUD_INVENTORY_THROTTLE"


class RateLimiter(Protocol):
    """Spaces calls evenly at a rate that it learns from the responses. Thread-safe."""

    def set_max_rate(self, max_rate: float | None) -> None:
        """Lower the maximum rate in calls a second. A higher value, or None, changes nothing."""

    def acquire(self, sleep: Callable[[float], None]) -> None:
        """Wait until the next call may be sent.

        Args:
            sleep: function that waits the given seconds. An exception from it ends the wait.
        """

    def record_success(self, latency_seconds: float) -> None:
        """Record an accepted call, and the seconds until its response arrived."""

    def record_throttled(self, retry_after_seconds: float | None) -> None:
        """Record a 429, and the wait that its `Retry-After` asks for, if any."""

    @property
    def stats(self) -> RateLimitStats:
        """Return what the rate limiter did so far."""


# JumpCloud limits a key, not a connection, so all clients of a key in this process share a limiter.
_registry: dict[str, RateLimiter] = {}
_registry_lock = threading.Lock()


def get_rate_limiter(
    key: str,
    start_rate: float | None,
    max_rate: float | None,
    environment: Mapping[str, str] = os.environ,
) -> RateLimiter:
    """Return the rate limiter that all clients of a key share.

    They are the clients in this process or, where the environment names a Redis server, the
    clients of all processes that use this server.

    Args:
        key: API key.
        start_rate: initial calls a second. Ignored if the limiter exists.
        max_rate: maximum calls a second. The lowest value given for the key applies.
        environment: environment variables.

    Raises:
        SettingsError: the variable is not a Redis URL, or the Redis library is not installed.
    """
    address = environment.get(THROTTLE_VARIABLE, "")
    name = key_fingerprint(f"{key} {address}")
    with _registry_lock:
        if name not in _registry:
            _registry[name] = (
                _redis_rate_limiter(address, key, start_rate)
                if address
                else LocalRateLimiter(start_rate=start_rate or START_RATE)
            )
        limiter = _registry[name]
        limiter.set_max_rate(max_rate)
        return limiter


def _redis_rate_limiter(address: str, key: str, start_rate: float | None) -> RateLimiter:
    # Imported here, because the library is an extra and takes time to load.
    try:
        from pipelines.ratelimit.redis import RedisRateLimiter, RedisState  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
    else:
        state = RedisState(address, THROTTLE_VARIABLE, key_fingerprint(key))
        return RedisRateLimiter(state, start_rate)
    raise SettingsError(
        f"{THROTTLE_VARIABLE}: the Redis library is not installed. "
        "Run pip install '.[cluster]' in the repository"
    )
