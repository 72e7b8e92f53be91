"""Keeps the pace of a key in Redis, where the processes of several machines change it in turn."""

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
from pipelines.ratelimit.stats import Course, RateLimitStats

# A wait is cut into naps, in which it is asked whether the time that was given still counts, and
# answers that came meanwhile are told.
NAP_SECONDS = 0.05
# While Redis is started again, calls wait: six times, half a minute in all, and then give up.
MAX_TRIES = 7
_wait_before_retry = tenacity.wait_exponential(multiplier=0.5, max=16.0)

_Result = TypeVar("_Result")


class RateLimiterError(InventoryError):
    """The Redis that keeps the rate cannot be used."""


class UnreachableError(RateLimiterError):
    """It does not answer, which may pass."""


class RedisState:
    """The pace of one key.

    Args:
        address: URL of the Redis, which may hold a password.
        variable: the environment variable that names it, for messages.
        name: of the key, without the key.

    Raises:
        SettingsError: the address is none.
    """

    def __init__(self, address: str, variable: str, name: str) -> None:
        parts = _parts(address, variable)
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
        """The pace at present; None if there is none.

        Raises:
            SharedThrottleError: the Redis cannot be used.
        """
        _, kept = self._run() or (0.0, b"")
        return _pace(kept)

    def change(
        self, change: Callable[[RedisSchedule | None, float], tuple[RedisSchedule, _Result]]
    ) -> tuple[RedisSchedule, _Result]:
        """Put another pace in the place of the present one, which nobody changes in between.

        Args:
            change: of the present pace, if there is one, and the time in seconds, makes the new
                one and a result. It may be called again, with another pace.

        Returns:
            what it made at last.

        Raises:
            SharedThrottleError: the Redis cannot be used.
        """
        found = self._run()
        for _ in range(MAX_COLLISIONS):
            if found is None:
                break
            now, kept = found
            made = change(_pace(kept), now)
            found = self._run(kept, _PACE.dump_json(made[0]), KEPT_SECONDS)
            if found is None:
                return made
        raise UnreachableError(f"{self._where} is changed by others all the time; try again")

    def _run(self, *arguments: bytes | int) -> tuple[float, bytes] | None:
        """The time and what is kept; None if the arguments took its place."""
        try:
            found = self._script([self._key], arguments)
        except redis.RedisError as error:
            failure = self._map_error(error)
        else:
            if found is None:
                return None
            seconds, microseconds, kept = found
            return int(seconds) + int(microseconds) / 1e6, kept
        # Raised out here, so that the library's error does not travel along as the context.
        raise failure

    def _map_error(self, error: redis.RedisError) -> RateLimiterError:
        """In our own words: those of the library may quote what the address holds."""
        match error:
            case redis.AuthenticationError():
                return RateLimiterError(
                    f"{self._where} refuses the user or the password; mend them in the variable"
                )
            case redis.ConnectionError() | redis.TimeoutError() | redis.ReadOnlyError():
                reason = type(error.__context__ or error).__name__
                return UnreachableError(
                    f"{self._where} does not answer ({reason}); start it, or mend the address. "
                    "Without the variable each process finds a rate of its own"
                )
            case _:
                return RateLimiterError(
                    f"{self._where} refuses a command ({type(error).__name__}); it must be Redis "
                    "5 or newer, with memory left, and its user may run scripts"
                )


def _parts(address: str, variable: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        is_usable = (
            parts.scheme in {"redis", "rediss"}
            and bool(parts.hostname)
            and (parts.port or DEFAULT_PORT) > 0
            # Else a password with one of / ? # in it would be taken for what it is not.
            and "@" not in parts.path + parts.query + parts.fragment
            and not parts.fragment
            and (not parts.path.strip("/") or parts.path.strip("/").isdecimal())
            and {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} <= OPTIONS
        )
    except ValueError:
        is_usable = False
    if not is_usable:
        raise SettingsError(
            f"{variable}: must be redis://user:password@host:port/number, or rediss:// for TLS. "
            "All but the host may be left out; write / ? # @ of a password as %2F %3F %23 %40; "
            f"options are {', '.join(sorted(OPTIONS))}"
        )
    return parts


def _pace(kept: bytes) -> RedisSchedule | None:
    """What is kept by another version, or by somebody else, counts as nothing."""
    try:
        return _PACE.validate_json(kept)
    except ValidationError:
        return None


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


class RedisRateLimiter:
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
        self._untold: deque[tuple[float, Callable[[RedisSchedule, float], None]]] = deque()
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
        told = partial(RedisSchedule.succeeded, latency=latency_seconds)
        self._untold.append((time.monotonic(), told))

    def throttled(self, retry_after_seconds: float | None) -> None:
        """A call was answered 429; with the wait that the answer asks for."""
        told = partial(RedisSchedule.refused, pause=retry_after_seconds or 0.0)
        self._untold.append((time.monotonic(), told))
        with self._lock:
            self._throttled += 1
        try:
            self._change(lambda _: None)
        except RateLimiterError:
            return  # told with the next call, which says what is wrong

    @property
    def stats(self) -> RateLimitStats:
        """What this process did so far; the rate as it last saw it."""
        with self._lock:
            return RateLimitStats(
                rate=self._rate,
                good_rate=self._good_rate,
                throttled=self._throttled,
                paused_seconds=self._paused_seconds,
                rate_over_time=self._course.points,
                is_shared=True,
            )

    def _reserve(self) -> _Slot:
        def reserve(pace: RedisSchedule) -> _Slot:
            ahead = time.monotonic() - pace.at
            return _Slot(pace.reserve() + ahead, pace.paused_until + ahead, pace.round)

        return self._change(reserve)

    def _round(self) -> int | None:
        if self._untold:
            return self._change(lambda pace: pace.round)
        with self._lock:
            pace = self._state.read()
        return pace.round if pace else None

    def _change(self, change: Callable[[RedisSchedule], _Result]) -> _Result:
        """Tell what was not told yet, and then change the pace."""
        with self._lock:
            untold = list(self._untold)

            def tell(pace: RedisSchedule | None, now: float) -> tuple[RedisSchedule, _Result]:
                if pace is None or pace.is_of_another_time(now):
                    pace = RedisSchedule.begun(now, self._good_rate)
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

    def _look_at(self, pace: RedisSchedule) -> None:
        self._rate, self._good_rate = pace.rate.now, pace.rate.good
        self._course.note(time.monotonic(), pace.rate.now)
        if pace.paused_until > self._paused_until:
            self._paused_seconds += pace.paused_until - max(pace.at, self._paused_until)
            self._paused_until = pace.paused_until


PREFIX = "jumpcloud-inventory:rate:"
KEPT_SECONDS = 14 * 24 * 3600  # after the last call, for the next run
TIMEOUT_SECONDS = 3.0
DEFAULT_PORT = 6379
# Others could lift the timeouts, or are no options at all.
OPTIONS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
# Each means that another process came first, which it can once for each call that it sends.
MAX_COLLISIONS = 1000

# Puts a state in the place of the one that it was made of. If there is none to put, or another
# came first: the time, and what is there. Of a key that is none of ours, nothing is there.
_SCRIPT = """
local kept = redis.pcall('GET', KEYS[1])
if type(kept) ~= 'string' then kept = '' end
if #ARGV > 0 and kept == ARGV[1] then
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
    return false
end
local time = redis.call('TIME')
return {time[1], time[2], kept}
"""
_PACE = TypeAdapter(RedisSchedule)
