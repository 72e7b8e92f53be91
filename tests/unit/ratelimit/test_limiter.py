"""Tests of the local rate limiter and the saved rates."""

import json
from pathlib import Path

import pytest

from pipelines.ratelimit.limiter import LocalRateLimiter, get_rate_limiter
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE
from pipelines.workspace import Workspace


class Clock:
    """A clock that only `sleep` advances."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def times(limiter: LocalRateLimiter, clock: Clock, calls: int) -> list[float]:
    """Return the send time of each call, in seconds after the first."""
    found = []
    for _ in range(calls):
        limiter.acquire(clock.sleep)
        found.append(clock.now)
    return [round(time - found[0], 3) for time in found]


def test_calls_after_the_first_four_are_spaced_evenly(clock: Clock) -> None:
    limiter = LocalRateLimiter(start_rate=4.0, clock=clock)
    assert times(limiter, clock, 7) == [0.0, 0.0, 0.0, 0.0, 0.25, 0.5, 0.75]


def test_saved_rate_spaces_all_calls(clock: Clock) -> None:
    limiter = LocalRateLimiter(start_rate=8.0, clock=clock)
    assert times(limiter, clock, 5) == [0.0, 0.125, 0.25, 0.375, 0.5]


def test_max_rate_applies_from_the_first_call(clock: Clock) -> None:
    limiter = LocalRateLimiter(start_rate=400.0, max_rate=2.0, clock=clock)
    assert times(limiter, clock, 3) == [0.0, 0.5, 1.0]


def test_retry_after_delays_every_call(clock: Clock) -> None:
    limiter = LocalRateLimiter(start_rate=100.0, clock=clock)
    limiter.acquire(clock.sleep)
    asked_at = clock.now
    limiter.record_throttled(30.0)
    limiter.record_throttled(10.0)
    limiter.acquire(clock.sleep)
    assert clock.now - asked_at == pytest.approx(30.0)
    assert limiter.stats.throttled == 2
    assert limiter.stats.paused_seconds == pytest.approx(30.0)


def test_wait_ends_with_an_exception_of_sleep(clock: Clock) -> None:
    class GivenUpError(Exception):
        pass

    def give_up(_: float) -> None:
        raise GivenUpError

    limiter = LocalRateLimiter(max_rate=1.0, clock=clock)
    limiter.acquire(clock.sleep)
    with pytest.raises(GivenUpError):
        limiter.acquire(give_up)
    limiter.acquire(clock.sleep)  # the lock is free again


def test_rate_history_is_thinned(clock: Clock) -> None:
    limiter = LocalRateLimiter(start_rate=4.0, clock=clock)
    for _ in range(5000):
        limiter.acquire(clock.sleep)
        clock.sleep(0.01)
        limiter.record_success(0.01)
    course = limiter.stats.rate_over_time
    assert course[0] == (0.0, 4.0)
    assert 3 < len(course) <= 201


def test_clients_of_one_key_share_a_limiter() -> None:
    assert get_rate_limiter("key-a", None, None) is get_rate_limiter("key-a", 50.0, 9.0)
    assert get_rate_limiter("key-a", None, None).stats.rate <= 9.0
    assert get_rate_limiter("key-a", None, None) is not get_rate_limiter("key-b", None, None)


def test_rate_is_saved_without_the_key(tmp_path: Path) -> None:
    home = tmp_path / "home"
    Workspace(home).saved_rates.put("jca_secret", 25.0)
    Workspace(home).saved_rates.put("jca_other", 8.0)
    assert Workspace(home).saved_rates.get("jca_secret") == 25.0
    assert Workspace(home).saved_rates.get("jca_third") is None
    assert "jca" not in (home / "rates.json").read_text()
    assert sorted(file.name for file in home.iterdir()) == ["locks", "rates.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": "fast"}', "\0"])
def test_broken_file_counts_as_empty(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rates.json"
    path.write_text(text)
    rates = Workspace(tmp_path).saved_rates
    assert rates.get("key") is None
    rates.put("key", 12.5)
    assert rates.get("key") == 12.5
    assert json.loads(path.read_text())


def test_absurd_saved_rate_is_bounded(tmp_path: Path) -> None:
    rates = Workspace(tmp_path).saved_rates
    rates.put("key", 1e12)
    assert rates.get("key") == MAX_SAVED_RATE
