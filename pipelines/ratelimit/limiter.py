"""When the next call may go out: one throttle per API key."""

import os
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from pipelines.errors import SettingsError
from pipelines.ratelimit.adaptive import START_RATE
from pipelines.ratelimit.local import LocalRateLimiter
from pipelines.ratelimit.saved_rates import key_fingerprint
from pipelines.ratelimit.stats import RateLimitStats

THROTTLE_VARIABLE = "JUMPCLOUD_INVENTORY_THROTTLE"


class RateLimiter(Protocol):
    """Spaces calls evenly at a rate that it learns. Thread-safe."""

    def cap(self, max_rate: float | None) -> None:
        """Never send more calls a second than this, nor than an earlier cap."""

    def acquire(self, sleep: Callable[[float], None]) -> None:
        """Return when the next call may go out.

        Args:
            sleep: waits; what it raises ends the waiting.
        """

    def succeeded(self, latency_seconds: float) -> None:
        """A call was answered in so many seconds."""

    def throttled(self, retry_after_seconds: float | None) -> None:
        """A call was answered 429; with the wait that the answer asks for."""

    @property
    def stats(self) -> RateLimitStats:
        """What it did so far."""


_throttles: dict[str, RateLimiter] = {}
_throttles_lock = threading.Lock()


def get_rate_limiter(
    key: str,
    start_rate: float | None,
    max_rate: float | None,
    environment: Mapping[str, str] = os.environ,
) -> RateLimiter:
    """The one throttle of this key in this process; of all that share a Redis, where one is set.

    Args:
        key: the API key.
        start_rate: calls a second to begin with, if it is new.
        max_rate: never more than this, nor than any cap given for the key before.
        environment: names the Redis.

    Raises:
        SettingsError: what it names is no Redis, or the library for it is not installed.
    """
    address = environment.get(THROTTLE_VARIABLE, "")
    name = key_fingerprint(f"{key} {address}")
    with _throttles_lock:
        if name not in _throttles:
            _throttles[name] = (
                _shared(address, key, start_rate)
                if address
                else LocalRateLimiter(start_rate=start_rate or START_RATE)
            )
        throttle = _throttles[name]
        throttle.cap(max_rate)
        return throttle


def _shared(address: str, key: str, start_rate: float | None) -> RateLimiter:
    # Here, because only what goes beyond one machine needs the library, and the time to load it.
    try:
        from pipelines.ratelimit.redis import RedisRateLimiter, RedisState  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "redis":
            raise
    else:
        return RedisRateLimiter(
            RedisState(address, THROTTLE_VARIABLE, key_fingerprint(key)), start_rate
        )
    raise SettingsError(
        f"{THROTTLE_VARIABLE}: is set, but what it needs is not installed: "
        "pip install '.[cluster]' in the repository"
    )
