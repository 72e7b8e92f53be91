"""The rate limiter of a key that processes on several machines share through Redis."""

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple, TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

import redis
import tenacity
from pydantic import TypeAdapter, ValidationError
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipelines.errors import InventoryError, SettingsError
from pipelines.ratelimit.adaptive import MAX_RATE, START_RATE, AdaptiveRate
from pipelines.ratelimit.stats import RateHistory, RateLimitStats

# The maximum rate of a process expires, because a process may be killed. A running process renews
# it with each call, and waits less than this for one.
MAX_RATE_SECONDS = 300.0
MAX_STEP_BACK = 1.0  # seconds that a clock may be set back
MAX_AHEAD = 900.0  # seconds: the longest pause is 120, and hundreds of processes may wait in line
REVOKE_FACTOR = 1.25  # a rate that changes by more revokes the reservations made at the old rate


@dataclass
class RedisSchedule:
    """The rate of a key, and when its next call may be sent. All times are of one clock.

    Attributes:
        version: version of this format.
        rate: calls a second, and what was learned about the limit.
        at: time of the last change.
        heard_at: time of the last response.
        last: send time of the last reserved call.
        reservations: future send times that calls wait for.
        epoch: incremented when reservations are revoked. Those of earlier epochs are ignored.
        paused_until: time before which no call is sent.
        max_rates: for each process with a maximum: calls a second, and when it expires.
    """

    version: Literal[2]
    rate: AdaptiveRate
    at: float
    heard_at: float = 0.0
    last: float = 0.0
    reservations: list[float] = field(default_factory=list)
    epoch: int = 0
    paused_until: float = 0.0
    max_rates: dict[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def begin(cls, at: float, start_rate: float) -> "RedisSchedule":
        """Return the schedule before the first call."""
        rate = AdaptiveRate(current=start_rate)
        rate.begin(at)
        return cls(2, rate, at)

    def is_from_future(self, now: float) -> bool:
        """Return True if the clock was set back, so that no call may wait for these times."""
        times = (self.at - MAX_STEP_BACK, self.last - MAX_AHEAD, self.paused_until - MAX_AHEAD)
        return max(times) > now

    def advance(self, to: float) -> None:
        """Advance to a time, never back, and count the calls that are due as sent."""
        self.at = max(to, self.at)
        while self.reservations and self.reservations[0] <= self.at:
            self.rate.record_sent(self.reservations.pop(0), waited=True)

    def set_max_rate(self, owner: str, max_rate: float | None) -> None:
        """Renew the maximum of a process. The lowest one applies to all processes."""
        self.max_rates = {name: item for name, item in self.max_rates.items() if item[1] > self.at}
        if max_rate:
            self.max_rates[owner] = (max_rate, self.at + MAX_RATE_SECONDS)
        lowest = min((rate for rate, _ in self.max_rates.values()), default=MAX_RATE)
        self.rate.set_max(lowest)

    def reserve(self) -> float:
        """Return the send time of the next call, and reserve it."""
        self.last = max(self.at, self.last + self.rate.interval, self.paused_until)
        if self.last > self.at:
            self.reservations.append(self.last)
        else:
            self.rate.record_sent(self.at, waited=False)
        return self.last

    def record_success(self, at: float, latency: float) -> None:
        """Record a call that was accepted at or just before this time, and its latency."""
        before = self.rate.current
        self.rate.record_success(self._heard(at), latency)
        if not before / REVOKE_FACTOR <= self.rate.current <= before * REVOKE_FACTOR:
            self._revoke()

    def record_throttled(self, at: float, pause: float) -> None:
        """Record a 429 that came at or just before this time, and the pause that it asks for."""
        self._revoke()
        self.paused_until = max(self.paused_until, at + pause)
        self.rate.record_throttled(self._heard(at), pause)

    def _heard(self, at: float) -> float:
        # Processes report responses a moment late, so not quite in the order of time.
        self.heard_at = max(at, self.heard_at + 1e-6)
        return self.heard_at

    def _revoke(self) -> None:
        self.epoch += 1
        self.reservations.clear()
        self.last = min(self.last, self.at)


# With the version of the record: processes of another version would reset each other's schedule.
PREFIX = "jumpcloud-inventory:rate:2:"
KEEP_SECONDS = 14 * 24 * 3600  # after the last call, for the next run
TIMEOUT_SECONDS = 3.0
DEFAULT_PORT = 6379
OPTIONS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}  # others could override the timeouts
MAX_COLLISIONS = 1000  # a change collides once with each call of another process

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
return {string.format('%s.%06d', time[1], time[2]), stored}
"""
_SCHEDULE = TypeAdapter(RedisSchedule)

_Result = TypeVar("_Result")


class RateLimiterError(InventoryError):
    """The Redis server cannot be used."""


class UnreachableError(RateLimiterError):
    """The Redis server does not respond, which may be temporary."""


class RedisState:
    """The schedule of a key, stored in Redis.

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
            now, stored = found or (0.0, b"")
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
            return (float(found[0]), found[1]) if found else None
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


# A wait is cut into naps, to check that the reservation still counts, and to report responses.
NAP_SECONDS = 0.05
# While Redis restarts, a call waits: six times, for half a minute in all.
MAX_TRIES = 7


class _Reservation(NamedTuple):
    """The send time of a call, by this process's clock."""

    due: float
    not_before: float  # the end of a pause: no change of the rate allows a call before it
    epoch: int  # a later epoch revokes the reservation


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
        self._paused_until = self._paused_seconds = 0.0

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
            wait=tenacity.wait_exponential(multiplier=0.5, max=16.0),
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
        with suppress(RateLimiterError):  # reported with the next call, which raises the error
            self._change(lambda _: None)

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
            due = schedule.reserve()
            return _Reservation(due + offset, schedule.paused_until + offset, schedule.epoch)

        return self._change(reserve)

    def _epoch(self) -> int | None:
        if self._unreported:
            return self._change(lambda schedule: schedule.epoch)
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
            self._rate, self._best_rate = schedule.rate.current, schedule.rate.best
            self._history.add(time.monotonic(), self._rate)
            if schedule.paused_until > self._paused_until:
                self._paused_seconds += schedule.paused_until - max(schedule.at, self._paused_until)
                self._paused_until = schedule.paused_until
            return result
