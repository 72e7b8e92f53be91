"""The rate limiter of a key that processes on several machines share through Redis."""

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

import redis
import tenacity
from pydantic import TypeAdapter, ValidationError
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipelines.errors import InventoryError, SettingsError
from pipelines.ratelimit.adaptive import START_RATE
from pipelines.ratelimit.redis_schedule import RedisSchedule
from pipelines.ratelimit.stats import RateHistory, RateLimitStats

# A wait is cut into naps, to check that the reservation still counts, and to report responses.
NAP_SECONDS = 0.05
# While Redis restarts, a call waits: six times, for half a minute in all.
MAX_TRIES = 7
_wait_before_retry = tenacity.wait_exponential(multiplier=0.5, max=16.0)

_Result = TypeVar("_Result")


class RateLimiterError(InventoryError):
    """The Redis server cannot be used."""


class UnreachableError(RateLimiterError):
    """The Redis server does not respond, which may be temporary."""


class RedisState:
    """The schedule of one key, stored in Redis.

    Args:
        address: URL of the Redis server, with its password if it has one.
        variable: environment variable that holds the URL, for messages.
        name: fingerprint of the API key.

    Raises:
        SettingsError: the address is not a Redis URL.
    """

    def __init__(self, address: str, variable: str, name: str) -> None:
        parts = _parse_address(address, variable)
        self._where = f"{variable}: the Redis at {parts.hostname}:{parts.port or DEFAULT_PORT}"
        self._key = PREFIX + name
        client = redis.Redis.from_url(
            address,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._script = client.register_script(_SCRIPT)

    def read(self) -> RedisSchedule | None:
        """Return the current schedule, or None.

        Raises:
            RateLimiterError: the Redis server cannot be used.
        """
        _, stored = self._run() or (0.0, b"")
        return _parse_schedule(stored)

    def change(
        self, change: Callable[[RedisSchedule | None, float], tuple[RedisSchedule, _Result]]
    ) -> tuple[RedisSchedule, _Result]:
        """Replace the schedule atomically.

        Args:
            change: function of the current schedule, if any, and the time in seconds. Returns the
                new schedule and a result. It is called again if another process came first.

        Returns:
            The new schedule and the result, of the last call.

        Raises:
            RateLimiterError: the Redis server cannot be used.
        """
        found = self._run()
        for _ in range(MAX_COLLISIONS):
            if found is None:
                break
            now, stored = found
            changed = change(_parse_schedule(stored), now)
            found = self._run(stored, _SCHEDULE.dump_json(changed[0]), KEEP_SECONDS)
            if found is None:
                return changed
        raise UnreachableError(f"{self._where}: too many concurrent changes. Try again")

    def _run(self, *arguments: bytes | int) -> tuple[float, bytes] | None:
        """Return the server time and the stored bytes, or None if the arguments replaced them."""
        try:
            found = self._script([self._key], arguments)
        except redis.RedisError as error:
            failure = self._map_error(error)
        else:
            if found is None:
                return None
            seconds, microseconds, stored = found
            return int(seconds) + int(microseconds) / 1e6, stored
        # Raised outside of the handler, so that the context does not hold the library's error.
        raise failure

    def _map_error(self, error: redis.RedisError) -> RateLimiterError:
        """Return our own error: the library's message may quote the address."""
        match error:
            case redis.AuthenticationError():
                return RateLimiterError(
                    f"{self._where} refuses the user or the password. Fix them in the variable"
                )
            case redis.ConnectionError() | redis.TimeoutError() | redis.ReadOnlyError():
                reason = type(error.__context__ or error).__name__
                return UnreachableError(
                    f"{self._where} does not respond ({reason}). Start it, or fix the address. "
                    "Without the variable, each process learns its own rate"
                )
            case _:
                return RateLimiterError(
                    f"{self._where} refuses a command ({type(error).__name__}). It must be Redis "
                    "5 or newer, with free memory, and its user needs the right to run scripts"
                )


def _parse_address(address: str, variable: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        valid = (
            parts.scheme in {"redis", "rediss"}
            and bool(parts.hostname)
            and (parts.port or DEFAULT_PORT) > 0
            # A password with an unquoted / ? or # moves the @ out of the host part.
            and "@" not in parts.path + parts.query + parts.fragment
            and not parts.fragment
            and (not parts.path.strip("/") or parts.path.strip("/").isdecimal())
            and {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} <= OPTIONS
        )
    except ValueError:
        valid = False
    if not valid:
        raise SettingsError(
            f"{variable}: must be redis://user:password@host:port/number, or rediss:// for TLS. "
            "Only the host is required. Write / ? # @ of a password as %2F %3F %23 %40. "
            f"Options: {', '.join(sorted(OPTIONS))}"
        )
    return parts


def _parse_schedule(stored: bytes) -> RedisSchedule | None:
    """Return the schedule, or None for the data of another version or another program."""
    try:
        return _SCHEDULE.validate_json(stored)
    except ValidationError:
        return None


@dataclass(frozen=True)
class _Reservation:
    """The send time of a call.

    Attributes:
        due: send time, by this process's clock.
        not_before: end of the pause. No change of the rate allows a call before it.
        epoch: epoch of the reservation. It is revoked in a later one.
    """

    due: float
    not_before: float
    epoch: int


class RedisRateLimiter:
    """Reserves a send time for each call, at a rate that all processes learn together. Thread-safe.

    A call first reserves its time and then waits in its own process, so that a killed process
    delays no other. Times are those of the Redis server, because the clocks of machines differ.

    Args:
        state: the schedule in Redis.
        start_rate: initial calls a second, where Redis holds no rate.
    """

    def __init__(self, state: RedisState, start_rate: float | None) -> None:
        self._state = state
        self._name = uuid.uuid4().hex
        self._max_rate: float | None = None
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._unreported: deque[tuple[float, Callable[[RedisSchedule, float], None]]] = deque()
        self._rate = self._best_rate = start_rate or START_RATE
        self._history = RateHistory()
        self._throttled = 0
        self._paused_until = 0.0
        self._paused_seconds = 0.0

    def set_max_rate(self, max_rate: float | None) -> None:
        """Lower the maximum rate in calls a second, for all processes of the key."""
        with self._lock:
            self._max_rate = min(filter(None, (self._max_rate, max_rate)), default=None)

    def acquire(self, sleep: Callable[[float], None]) -> None:
        """Wait until the next call may be sent.

        Args:
            sleep: function that waits the given seconds. An exception from it ends the wait.

        Raises:
            RateLimiterError: the Redis server cannot be used, for half a minute if temporary.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(UnreachableError),
            stop=tenacity.stop_after_attempt(MAX_TRIES),
            wait=_wait_before_retry,
            sleep=sleep,
            reraise=True,
        )
        with self._turn:
            sleep(0.0)  # after a failure, the threads that wait for the lock stop here
            reserved = retrying(self._reserve)
            while (left := reserved.due - time.monotonic()) > 0:
                sleep(max(reserved.not_before - time.monotonic(), min(left, NAP_SECONDS)))
                if retrying(self._epoch) != reserved.epoch:
                    reserved = retrying(self._reserve)

    def record_success(self, latency_seconds: float) -> None:
        """Record an accepted call. It is reported to Redis with the next call."""
        report = partial(RedisSchedule.record_success, latency=latency_seconds)
        self._unreported.append((time.monotonic(), report))

    def record_throttled(self, retry_after_seconds: float | None) -> None:
        """Record a 429, and the wait that its `Retry-After` asks for, if any."""
        report = partial(RedisSchedule.record_throttled, pause=retry_after_seconds or 0.0)
        self._unreported.append((time.monotonic(), report))
        with self._lock:
            self._throttled += 1
        try:
            self._change(lambda _: None)
        except RateLimiterError:
            return  # reported with the next call, which raises the error

    @property
    def stats(self) -> RateLimitStats:
        """Return what this process did so far, and the rate as it last saw it."""
        with self._lock:
            return RateLimitStats(
                rate=self._rate,
                good_rate=self._best_rate,
                throttled=self._throttled,
                paused_seconds=self._paused_seconds,
                rate_over_time=self._history.points,
                is_shared=True,
            )

    def _reserve(self) -> _Reservation:
        def reserve(schedule: RedisSchedule) -> _Reservation:
            offset = time.monotonic() - schedule.at
            due = schedule.reserve() + offset
            return _Reservation(due, schedule.paused_until + offset, schedule.epoch)

        return self._change(reserve)

    def _epoch(self) -> int | None:
        if self._unreported:
            return self._change(lambda schedule: schedule.epoch)
        with self._lock:
            schedule = self._state.read()
        return schedule.epoch if schedule else None

    def _change(self, change: Callable[[RedisSchedule], _Result]) -> _Result:
        """Report the unreported responses, change the schedule, and return the result."""
        with self._lock:
            unreported = list(self._unreported)

            def report(schedule: RedisSchedule | None, now: float) -> tuple[RedisSchedule, _Result]:
                if schedule is None or schedule.is_from_future(now):
                    schedule = RedisSchedule.begin(now, self._best_rate)
                schedule.advance(now)
                schedule.set_max_rate(self._name, self._max_rate)
                for heard_at, record in unreported:
                    record(schedule, schedule.at - (time.monotonic() - heard_at))
                return schedule, change(schedule)

            schedule, result = self._state.change(report)
            for _ in unreported:
                self._unreported.popleft()
            self._update_stats(schedule)
            return result

    def _update_stats(self, schedule: RedisSchedule) -> None:
        self._rate, self._best_rate = schedule.rate.current, schedule.rate.best
        self._history.add(time.monotonic(), schedule.rate.current)
        if schedule.paused_until > self._paused_until:
            self._paused_seconds += schedule.paused_until - max(schedule.at, self._paused_until)
            self._paused_until = schedule.paused_until


# With the version of the record: processes of another version would reset each other's schedule.
PREFIX = "jumpcloud-inventory:rate:2:"
KEEP_SECONDS = 14 * 24 * 3600  # after the last call, for the next run
TIMEOUT_SECONDS = 3.0
DEFAULT_PORT = 6379
# Other options could override the timeouts.
OPTIONS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
# A collision means that another process came first, which happens once for each of its calls.
MAX_COLLISIONS = 1000

# Compare-and-set. If the stored value changed meanwhile, or no value was given, return the server's
# time and the stored value. A value of another type counts as empty.
_SCRIPT = """
local stored = redis.pcall('GET', KEYS[1])
if type(stored) ~= 'string' then stored = '' end
if #ARGV > 0 and stored == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
    return false
end
local time = redis.call('TIME')
return {time[1], time[2], stored}
"""
_SCHEDULE = TypeAdapter(RedisSchedule)
