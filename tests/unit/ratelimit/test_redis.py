"""One rate for processes that share a key: a Redis server, and processes, of the tests' own."""

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
from pipelines.ratelimit.redis import PREFIX, RateLimiterError, RedisRateLimiter, RedisState
from pipelines.ratelimit.redis_schedule import RedisSchedule
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE, SavedRates, key_fingerprint
from pipelines.simulator import Behavior, Provider, Server, Sizes, generate
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
    """Start a Redis server that ends with the test."""
    with ExitStack() as stack:
        yield lambda *given: stack.enter_context(RedisServer(tmp_path, *given))


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """For tests that leave it as it is; each has a key of its own."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


def throttle_at(address: str, start_rate: float = 400.0, key: str = KEY) -> RedisRateLimiter:
    """As another process has it."""
    return RedisRateLimiter(
        RedisState(address, THROTTLE_VARIABLE, key_fingerprint(key)), start_rate
    )


class GivenUpError(Exception):
    pass


def first_nap(throttle: RedisRateLimiter) -> float:
    """How long a call would have slept at first; it then gives up."""
    found = 0.0

    def sleep(seconds: float) -> None:
        nonlocal found
        if seconds:
            found = seconds
            raise GivenUpError

    with suppress(GivenUpError):
        throttle.acquire(sleep)
    return found


def pace_of(redis: RedisServer, key: str) -> RedisSchedule:
    """What Redis keeps of a key."""
    pace = RedisState(redis.address, THROTTLE_VARIABLE, key_fingerprint(key)).read()
    assert pace
    return pace


def test_processes_with_one_key_share_the_rate_that_the_api_allows(
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
    alone = [pull_organization(each, tmp_path / f"alone-{each.name}") for each in entries]
    assert not any(each.throttle.is_shared for each in alone)
    server.reset_calls()
    behavior.requests_per_second = LIMIT
    monkeypatch.setenv(THROTTLE_VARIABLE, shared_redis.address)
    processes = []
    for each in entries:
        SavedRates(tmp_path / each.name / "rates.json").put(key, LIMIT)
        arguments = [each.model_dump_json(), str(tmp_path / each.name)]
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


def test_a_process_that_is_killed_holds_nobody_up(
    shared_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(THROTTLE_VARIABLE, shared_redis.address)
    command = [sys.executable, str(SUPPORT / "acquiring.py"), "killed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        throttle = throttle_at(shared_redis.address, key="killed")
        throttle.acquire(time.sleep)
        process.kill()
        process.wait()
    for _ in range(3):
        throttle.acquire(time.sleep)


def test_a_new_process_goes_on_at_the_rate_that_was_found(shared_redis: RedisServer) -> None:
    first = throttle_at(shared_redis.address, 40.0, "remembered")
    assert not first_nap(first)
    first.throttled(7.0)
    other = throttle_at(shared_redis.address, 900.0, "remembered")
    assert first_nap(other) == pytest.approx(7.0, abs=1.0)
    assert other.stats.rate == first.stats.rate < 40.0
    assert other.stats.throttled == 0
    assert first.stats.throttled == 1
    assert first.stats.paused_seconds == pytest.approx(7.0, abs=1.0)
    kept = shared_redis.client()
    assert kept.ttl(PREFIX + key_fingerprint("remembered")) > 7 * 24 * 3600
    assert "remembered" not in str(kept.keys())


def test_the_cap_of_one_counts_for_all(shared_redis: RedisServer) -> None:
    slow, free = (throttle_at(shared_redis.address, 100.0, "capped") for _ in range(2))
    slow.cap(2.0)
    assert not first_nap(slow)
    before = pace_of(shared_redis, "capped").last
    assert first_nap(free)  # its time is taken, though it does not wait for it
    assert pace_of(shared_redis, "capped").last - before >= 0.5
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
def test_two_processes_decide_together_what_one_would_decide(
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
    pace: RedisSchedule | None, now: float, event: tuple[str, float], start_rate: float
) -> tuple[RedisSchedule, float]:
    return after(pace, now, event, start_rate), now


def after(
    pace: RedisSchedule | None, now: float, event: tuple[str, float], start_rate: float
) -> RedisSchedule:
    """The pace when a call was sent, and one was answered."""
    pace = pace or RedisSchedule.begun(now, start_rate)
    pace.advance(now)
    pace.reserve()
    kind, value = event
    if kind == "succeeded":
        pace.succeeded(now, value)
    else:
        pace.refused(now, value)
    return pace


def test_a_call_waits_while_redis_is_started_again(
    start_redis: Callable[..., RedisServer],
) -> None:
    redis = start_redis()
    throttle = throttle_at(redis.address, 50.0)
    assert not first_nap(throttle)
    throttle.succeeded(0.01)
    redis.stop()
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        if seconds:
            waits.append(seconds)
        if len(waits) == 3:
            redis.start()

    throttle.acquire(sleep)
    assert len(waits) == 3
    assert throttle.stats.rate == pytest.approx(50.0)


def test_what_is_none_of_ours_is_no_memory(shared_redis: RedisServer) -> None:
    client = shared_redis.client()
    state = json.loads(_state_after_a_call(shared_redis))
    later = state["at"] + 3600.0
    for kept in (b"", b"\xff\x00", b"[]", b"{}", b'{"version":1}'):
        _expect_anew(shared_redis, kept)
    _expect_anew(shared_redis, json.dumps(state | {"version": 0}).encode())
    for name in ("at", "last", "paused_until"):
        _expect_anew(shared_redis, json.dumps(state | {name: later}).encode())
    client.delete(PREFIX + key_fingerprint("garbage"))
    client.rpush(PREFIX + key_fingerprint("garbage"), "a list")
    throttle = throttle_at(shared_redis.address, 30.0, "garbage")
    assert not first_nap(throttle)
    assert throttle.stats.rate == 30.0


def _state_after_a_call(redis: RedisServer) -> bytes:
    assert not first_nap(throttle_at(redis.address, 77.0, "garbage"))
    kept = redis.client().get(PREFIX + key_fingerprint("garbage"))
    assert isinstance(kept, bytes)
    return kept


def _expect_anew(redis: RedisServer, kept: bytes) -> None:
    redis.client().set(PREFIX + key_fingerprint("garbage"), kept)
    throttle = throttle_at(redis.address, 30.0, "garbage")
    assert not first_nap(throttle)
    assert throttle.stats.rate == 30.0


def words_of(error: BaseException) -> str:
    """All that a record of it could show."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__)


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_redis_that_is_away_is_named_in_bounded_time(scheme: str, tmp_path: Path) -> None:
    port = RedisServer(tmp_path).port
    throttle = throttle_at(f"{scheme}://:{PASSWORD}@127.0.0.1:{port}")
    waits: list[float] = []
    with pytest.raises(RateLimiterError, match="ConnectionRefusedError") as caught:
        throttle.acquire(waits.append)
    assert 20 < sum(waits) < 60
    assert f"127.0.0.1:{port}" in str(caught.value)
    assert THROTTLE_VARIABLE in str(caught.value)
    assert PASSWORD not in words_of(caught.value) + repr(throttle)
    throttle.throttled(1.0)  # an answer that comes then raises nothing
    assert throttle.stats.throttled == 1


def test_redis_is_reached_by_tls(start_redis: Callable[..., RedisServer]) -> None:
    redis = start_redis(PASSWORD, CERTIFICATE)
    throttle = throttle_at(redis.address)
    assert not first_nap(throttle)
    assert throttle.stats.rate == 400.0
    distrusting = throttle_at(redis.address.partition("?")[0])
    with pytest.raises(RateLimiterError, match="SSLCertVerificationError"):
        distrusting.acquire(lambda _: None)


@pytest.mark.parametrize("user", ["", ":wrong-pass@", "nobody:wrong-pass@"])
def test_a_wrong_password_is_said_at_once(
    start_redis: Callable[..., RedisServer], user: str
) -> None:
    redis = start_redis(PASSWORD)
    waits: list[float] = []
    with pytest.raises(RateLimiterError, match="refuses the user or the password") as caught:
        throttle_at(f"redis://{user}127.0.0.1:{redis.port}").acquire(waits.append)
    assert not sum(waits)
    assert "wrong-pass" not in words_of(caught.value)
    assert not first_nap(throttle_at(redis.address))


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
def test_an_address_that_is_none_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(SettingsError, match="must be redis://") as caught:
        get_rate_limiter(KEY, None, None, {THROTTLE_VARIABLE: address})
    assert PASSWORD not in words_of(caught.value)


def test_a_pull_and_the_command_say_which_redis_is_away(
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
    assert PASSWORD not in words_of(caught.value) + caplog.text + done.output


def test_without_the_variable_redis_is_not_even_loaded() -> None:
    code = (
        "import sys, pipelines.extract.pull\n"
        "from pipelines.ratelimit.limiter import get_rate_limiter\n"
        "get_rate_limiter('key', None, None, {}).acquire(print); sys.exit('redis' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_the_extra_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['redis'] = None\n"
        "from pipelines.ratelimit.limiter import get_rate_limiter\n"
        f"get_rate_limiter('key', None, None, {{'{THROTTLE_VARIABLE}': 'redis://:{PASSWORD}@localhost'}})"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "SettingsError" in done.stderr
    assert "pip install '.[cluster]' in the repository" in done.stderr
