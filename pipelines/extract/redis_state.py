"""Keeps the pace of a key in Redis, where the processes of several machines change it in turn."""

from collections.abc import Callable
from typing import TypeVar
from urllib.parse import SplitResult, parse_qsl, urlsplit

import redis
from pydantic import TypeAdapter, ValidationError
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipelines.errors import SettingsError
from pipelines.extract.errors import ExtractError
from pipelines.extract.shared_pace import SharedPace

PREFIX = "jumpcloud-inventory:rate:"
KEPT_SECONDS = 14 * 24 * 3600  # after the last call, for the next run
TIMEOUT_SECONDS = 3.0
DEFAULT_PORT = 6379
# Others could lift the timeouts, or are no options at all.
OPTIONS = {"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
# Each means that another process came first, which it can once for each call that it sends.
MOST_COLLISIONS = 1000

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
_PACE = TypeAdapter(SharedPace)
_Result = TypeVar("_Result")


class SharedThrottleError(ExtractError):
    """The Redis that keeps the rate cannot be used."""


class UnreachableError(SharedThrottleError):
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

    def read(self) -> SharedPace | None:
        """The pace at present; None if there is none.

        Raises:
            SharedThrottleError: the Redis cannot be used.
        """
        _, kept = self._run() or (0.0, b"")
        return _pace(kept)

    def change(
        self, change: Callable[[SharedPace | None, float], tuple[SharedPace, _Result]]
    ) -> tuple[SharedPace, _Result]:
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
        for _ in range(MOST_COLLISIONS):
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
            failure = self._failure_of(error)
        else:
            if found is None:
                return None
            seconds, microseconds, kept = found
            return int(seconds) + int(microseconds) / 1e6, kept
        # Raised out here, so that the library's error does not travel along as the context.
        raise failure

    def _failure_of(self, error: redis.RedisError) -> SharedThrottleError:
        """In our own words: those of the library may quote what the address holds."""
        match error:
            case redis.AuthenticationError():
                return SharedThrottleError(
                    f"{self._where} refuses the user or the password; mend them in the variable"
                )
            case redis.ConnectionError() | redis.TimeoutError() | redis.ReadOnlyError():
                reason = type(error.__context__ or error).__name__
                return UnreachableError(
                    f"{self._where} does not answer ({reason}); start it, or mend the address. "
                    "Without the variable each process finds a rate of its own"
                )
            case _:
                return SharedThrottleError(
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


def _pace(kept: bytes) -> SharedPace | None:
    """What is kept by another version, or by somebody else, counts as nothing."""
    try:
        return _PACE.validate_json(kept)
    except ValidationError:
        return None
