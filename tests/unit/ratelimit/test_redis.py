"""Tests of the rate limiter that processes share, with a real Redis server."""

import json
import logging
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from assets_defs.cli.main import main
from pipelines.config.credentials import load_credentials
from pipelines.config.integration import Integration
from pipelines.errors import InventoryError, SettingsError
from pipelines.extract.pull import pull_organization
from pipelines.ratelimit.limiter import THROTTLE_VARIABLE, get_rate_limiter
from pipelines.ratelimit.redis import (
    PREFIX,
    RateLimiterError,
    RedisRateLimiter,
    RedisSchedule,
    RedisState,
)
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE, key_fingerprint
from pipelines.simulator import Behavior, Provider, Server, Sizes, generate
from pipelines.workspace import Workspace
from tests.support import DATA, ROOT
from tests.support.redis_server import RedisServer, needs_redis

SIZES = Sizes(systems=60, users=40, system_groups=16, applications=8)
LIMIT = 30.0
PASSWORD = "s3cret-of-redis"
KEY = "jca_of_the_test"
SUPPORT = ROOT / "tests" / "support"
CERTIFICATE = DATA / "loopback_tls.pem"

pytestmark = needs_redis


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[Callable[..., RedisServer]]:
    """Return a function that starts a Redis server for the duration of the test."""
    with ExitStack() as stack:
        yield lambda *given: stack.enter_context(RedisServer(tmp_path, *given))


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Start one Redis server for all tests that only use their own key."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def redis_limiter(address: str, start_rate: float = 400.0, key: str = KEY) -> RedisRateLimiter:
    """Return a new rate limiter, as another process would create it."""
    return RedisRateLimiter(
        RedisState(address, THROTTLE_VARIABLE, key_fingerprint(key)), start_rate
    )


class GivenUpError(Exception):
    pass


def first_nap(limiter: RedisRateLimiter) -> float:
    """Return the first wait of a call in seconds. The call gives up then."""
    found = 0.0

    def sleep(seconds: float) -> None:
        nonlocal found
        if seconds:
            found = seconds
            raise GivenUpError

    with suppress(GivenUpError):
        limiter.acquire(sleep)
    return found


def stored_schedule(redis: RedisServer, key: str) -> RedisSchedule:
    """Return the schedule that Redis holds for a key."""
    schedule = RedisState(redis.address, THROTTLE_VARIABLE, key_fingerprint(key)).read()
    assert schedule
    return schedule


def test_processes_with_one_key_share_the_allowed_rate(
    serve: Callable[..., Server],
    integration: Callable[..., Integration],
    shared_redis: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    behavior = Behavior(latency_seconds=0.02)
    provider = Provider(*(generate(seed, SIZES) for seed in (1, 2)))
    server = serve(provider, behavior)
    entries = [
        integration(server, name=f"org-{number}", org_id=org.id)
        for number, org in enumerate(provider.organizations)
    ]
    key = load_credentials(entries[0]).identity
    get_rate_limiter(key, MAX_SAVED_RATE, None)
    alone = [pull_organization(entry, tmp_path / f"alone-{entry.name}") for entry in entries]
    assert not any(pulled.throttle.is_shared for pulled in alone)
    server.reset_calls()
    behavior.requests_per_second = LIMIT
    monkeypatch.setenv(THROTTLE_VARIABLE, shared_redis.address)
    processes = []
    for entry in entries:
        Workspace(tmp_path / entry.name).saved_rates.put(key, LIMIT)
        arguments = [entry.model_dump_json(), str(tmp_path / entry.name)]
        command = [sys.executable, str(SUPPORT / "pulling.py"), *arguments]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE))
    together = [json.loads(process.communicate()[0]) for process in processes]
    for found, expected in zip(together, alone, strict=True):
        assert found["is_shared"]
        assert found["rows"] == {name: table.num_rows for name, table in expected.tables.items()}
    refused = sum(call.status == 429 for call in server.calls)
    seconds = server.calls[-1].started - server.calls[0].started
    allowed = LIMIT * seconds + behavior.burst
    assert len(server.calls) - refused >= 0.9 * allowed
    assert refused <= 0.03 * len(server.calls)
    assert refused == sum(found["throttled"] for found in together)


def test_killed_process_delays_no_other(
    shared_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(THROTTLE_VARIABLE, shared_redis.address)
    command = [sys.executable, str(SUPPORT / "acquiring.py"), "killed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        limiter = redis_limiter(shared_redis.address, key="killed")
        limiter.acquire(time.sleep)
        process.kill()
        process.wait()
    for _ in range(3):
        limiter.acquire(time.sleep)


def test_new_process_continues_at_the_learned_rate(shared_redis: RedisServer) -> None:
    first = redis_limiter(shared_redis.address, 40.0, "remembered")
    assert not first_nap(first)
    first.record_throttled(7.0)
    other = redis_limiter(shared_redis.address, 900.0, "remembered")
    assert first_nap(other) == pytest.approx(7.0, abs=1.0)
    assert other.stats.rate == first.stats.rate < 40.0
    assert other.stats.throttled == 0
    assert first.stats.throttled == 1
    assert first.stats.paused_seconds == pytest.approx(7.0, abs=1.0)
    kept = shared_redis.client()
    assert kept.ttl(PREFIX + key_fingerprint("remembered")) > 7 * 24 * 3600
    assert "remembered" not in str(kept.keys())


def test_max_rate_of_one_process_applies_to_all(shared_redis: RedisServer) -> None:
    slow, free = (redis_limiter(shared_redis.address, 100.0, "capped") for _ in range(2))
    slow.set_max_rate(2.0)
    assert not first_nap(slow)
    before = stored_schedule(shared_redis, "capped").last
    assert first_nap(free)  # the time stays reserved, although the call gave up
    assert stored_schedule(shared_redis, "capped").last - before >= 0.5
    assert free.stats.rate == 2.0


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("succeeded"), st.floats(0.001, 3.0)),
        st.tuples(st.just("refused"), st.sampled_from([0.0, 1.0, 7.5])),
    ),
    max_size=40,
)


@given(EVENTS, st.sampled_from([4.0, 25.0, 400.0]), st.data())
@settings(max_examples=15)
def test_two_processes_decide_like_one(
    shared_redis: RedisServer,
    events: list[tuple[str, float]],
    start_rate: float,
    data: st.DataObject,
) -> None:
    shared_redis.client().flushall()
    states = [RedisState(shared_redis.address, THROTTLE_VARIABLE, "events") for _ in range(2)]
    alone: RedisSchedule | None = None
    for event in events:
        state = data.draw(st.sampled_from(states))
        together, at = state.change(partial(timed, event=event, start_rate=start_rate))
        alone = after(alone, at, event, start_rate)
        assert together == alone


def timed(
    schedule: RedisSchedule | None, now: float, event: tuple[str, float], start_rate: float
) -> tuple[RedisSchedule, float]:
    return after(schedule, now, event, start_rate), now


def after(
    schedule: RedisSchedule | None, now: float, event: tuple[str, float], start_rate: float
) -> RedisSchedule:
    """Return the schedule after one call was sent and one response arrived."""
    schedule = schedule or RedisSchedule.begin(now, start_rate)
    schedule.advance(now)
    schedule.reserve()
    kind, value = event
    if kind == "succeeded":
        schedule.record_success(now, value)
    else:
        schedule.record_throttled(now, value)
    return schedule


def test_call_waits_while_redis_restarts(
    start_redis: Callable[..., RedisServer],
) -> None:
    redis = start_redis()
    limiter = redis_limiter(redis.address, 50.0)
    assert not first_nap(limiter)
    limiter.record_success(0.01)
    redis.stop()
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        if seconds:
            waits.append(seconds)
        if len(waits) == 3:
            redis.start()

    limiter.acquire(sleep)
    assert len(waits) == 3
    assert limiter.stats.rate == pytest.approx(50.0)


def test_foreign_data_counts_as_empty(shared_redis: RedisServer) -> None:
    client = shared_redis.client()
    state = json.loads(_state_after_a_call(shared_redis))
    later = state["at"] + 3600.0
    for kept in (b"", b"\xff\x00", b"[]", b"{}", b'{"version":2}'):
        _expect_new_schedule(shared_redis, kept)
    _expect_new_schedule(shared_redis, json.dumps(state | {"version": 1}).encode())
    for name in ("at", "last", "paused_until"):
        _expect_new_schedule(shared_redis, json.dumps(state | {name: later}).encode())
    client.delete(PREFIX + key_fingerprint("garbage"))
    client.rpush(PREFIX + key_fingerprint("garbage"), "a list")
    limiter = redis_limiter(shared_redis.address, 30.0, "garbage")
    assert not first_nap(limiter)
    assert limiter.stats.rate == 30.0


def test_record_of_another_version_is_untouched(shared_redis: RedisServer) -> None:
    client = shared_redis.client()
    key = f"jumpcloud-inventory:rate:{key_fingerprint('older')}"
    client.set(key, b'{"version":1}')
    limiter = redis_limiter(shared_redis.address, 30.0, "older")
    assert not first_nap(limiter)
    assert client.get(key) == b'{"version":1}'


def _state_after_a_call(redis: RedisServer) -> bytes:
    assert not first_nap(redis_limiter(redis.address, 77.0, "garbage"))
    kept = redis.client().get(PREFIX + key_fingerprint("garbage"))
    assert isinstance(kept, bytes)
    return kept


def _expect_new_schedule(redis: RedisServer, kept: bytes) -> None:
    redis.client().set(PREFIX + key_fingerprint("garbage"), kept)
    limiter = redis_limiter(redis.address, 30.0, "garbage")
    assert not first_nap(limiter)
    assert limiter.stats.rate == 30.0


def error_text(error: BaseException) -> str:
    """Return everything that a log of the error could show."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_unreachable_redis_is_reported_in_bounded_time(scheme: str, tmp_path: Path) -> None:
    port = RedisServer(tmp_path).port
    limiter = redis_limiter(f"{scheme}://:{PASSWORD}@127.0.0.1:{port}")
    waits: list[float] = []
    with pytest.raises(RateLimiterError, match="ConnectionRefusedError") as caught:
        limiter.acquire(waits.append)
    assert 20 < sum(waits) < 60
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert THROTTLE_VARIABLE in str(caught.value)
    assert PASSWORD not in error_text(caught.value) + repr(limiter)
    limiter.record_throttled(1.0)  # a later response raises no error
    assert limiter.stats.throttled == 1


def test_redis_is_reached_by_tls(start_redis: Callable[..., RedisServer]) -> None:
    redis = start_redis(PASSWORD, CERTIFICATE)
    limiter = redis_limiter(redis.address)
    assert not first_nap(limiter)
    assert limiter.stats.rate == 400.0
    without_certificate = redis_limiter(redis.address.partition("?")[0])
    with pytest.raises(RateLimiterError, match="SSLCertVerificationError"):
        without_certificate.acquire(lambda _: None)


@pytest.mark.parametrize("user", ["", ":wrong-pass@", "nobody:wrong-pass@"])
def test_wrong_password_is_reported_at_once(
    start_redis: Callable[..., RedisServer], user: str
) -> None:
    redis = start_redis(PASSWORD)
    waits: list[float] = []
    with pytest.raises(RateLimiterError, match="refuses the user or the password") as caught:
        redis_limiter(f"redis://{user}127.0.0.1:{redis.port}").acquire(waits.append)
    assert not sum(waits)
    assert "wrong-pass" not in error_text(caught.value)
    assert not first_nap(redis_limiter(redis.address))


@pytest.mark.parametrize(
    "address",
    [
        "localhost:6379",
        f"http://:{PASSWORD}@localhost",
        f"redis://:{PASSWORD}",
        f"redis://:{PASSWORD}@",
        f"redis://:12/{PASSWORD}@localhost",
        f"redis://:12#{PASSWORD}@localhost",
        f"redis://:12?{PASSWORD}@localhost",
        f"redis://[{PASSWORD}",
        f"redis://localhost/{PASSWORD}",
        f"redis://localhost?{PASSWORD}",
        f"redis://localhost?socket_timeout=3600&x={PASSWORD}",
    ],
)
def test_invalid_address_is_refused_and_hidden(address: str) -> None:
    with pytest.raises(SettingsError, match="must be redis://") as caught:
        get_rate_limiter(KEY, None, None, {THROTTLE_VARIABLE: address})
    assert PASSWORD not in error_text(caught.value)


def test_pull_and_check_report_unreachable_redis(
    serve: Callable[..., Server],
    integration: Callable[..., Integration],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr("pipelines.ratelimit.redis.MAX_TRIES", 1)
    acme = integration(serve(generate(sizes=SIZES)))
    port = RedisServer(tmp_path).port
    monkeypatch.setenv(THROTTLE_VARIABLE, f"redis://:{PASSWORD}@127.0.0.1:{port}")
    with pytest.raises(InventoryError, match=f"the Redis at 127.0.0.1:{port} does not") as caught:
        pull_organization(acme, tmp_path)
    settings_file = tmp_path / "integrations.toml"
    settings_file.write_text(
        f'[[integration]]\nname = "acme"\nbase_url = "{acme.url}"\n'
        f'api_key_env = "{acme.api_key_env}"\n'
    )
    monkeypatch.setenv(THROTTLE_VARIABLE, f"rediss:{PASSWORD}")
    done = CliRunner().invoke(main, ["check", "--config", str(settings_file)])
    assert THROTTLE_VARIABLE in done.output
    assert done.exit_code == 2
    assert PASSWORD not in error_text(caught.value) + caplog.text + done.output


def test_redis_is_not_loaded_without_the_variable() -> None:
    code = (
        "import sys, pipelines.extract.pull\n"
        "from pipelines.ratelimit.limiter import get_rate_limiter\n"
        "get_rate_limiter('key', None, None, {}).acquire(print); sys.exit('redis' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_missing_redis_library_is_reported() -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "from pipelines.ratelimit.limiter import get_rate_limiter\n"
        f"get_rate_limiter('key', None, None, {{'{THROTTLE_VARIABLE}': 'redis://:{PASSWORD}@localhost'}})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "SettingsError" in done.stderr
    assert "pip install '.[cluster]' in the repository" in done.stderr
