"""The rate limiter protocol, and the registry of one rate limiter per API key."""

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
