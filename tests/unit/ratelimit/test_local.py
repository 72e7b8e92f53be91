"""When a call may go out, and what is remembered of it."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from pipelines.jumpcloud.responses import parse_retry_after
from pipelines.ratelimit.limiter import get_rate_limiter
from pipelines.ratelimit.local import LocalRateLimiter
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE, SavedRates


class Clock:
    """A clock that only a sleep moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def times(throttle: LocalRateLimiter, clock: Clock, calls: int) -> list[float]:
    """When so many calls go out, in seconds after the first."""
    found = []
    for _ in range(calls):
        throttle.acquire(clock.sleep)
        found.append(clock.now)
    return [round(each - found[0], 3) for each in found]


def test_after_the_first_four_calls_are_spaced_evenly(clock: Clock) -> None:
    throttle = LocalRateLimiter(start_rate=4.0, clock=clock)
    assert times(throttle, clock, 7) == [0.0, 0.0, 0.0, 0.0, 0.25, 0.5, 0.75]


def test_a_remembered_rate_spaces_calls_from_the_first_on(clock: Clock) -> None:
    throttle = LocalRateLimiter(start_rate=8.0, clock=clock)
    assert times(throttle, clock, 5) == [0.0, 0.125, 0.25, 0.375, 0.5]


def test_a_cap_holds_from_the_first_call_on(clock: Clock) -> None:
    throttle = LocalRateLimiter(start_rate=400.0, max_rate=2.0, clock=clock)
    assert times(throttle, clock, 3) == [0.0, 0.5, 1.0]


def test_retry_after_holds_every_call_back(clock: Clock) -> None:
    throttle = LocalRateLimiter(start_rate=100.0, clock=clock)
    throttle.acquire(clock.sleep)
    asked_at = clock.now
    throttle.throttled(30.0)
    throttle.throttled(10.0)
    throttle.acquire(clock.sleep)
    assert clock.now - asked_at == pytest.approx(30.0)
    assert throttle.stats.throttled == 2
    assert throttle.stats.paused_seconds == pytest.approx(30.0)


def test_a_wait_ends_when_the_pull_is_given_up(clock: Clock) -> None:
    class GivenUpError(Exception):
        pass

    def give_up(_: float) -> None:
        raise GivenUpError

    throttle = LocalRateLimiter(max_rate=1.0, clock=clock)
    throttle.acquire(clock.sleep)
    with pytest.raises(GivenUpError):
        throttle.acquire(give_up)
    throttle.acquire(clock.sleep)  # and nobody holds its turn


def test_the_course_of_the_rate_is_kept_thin(clock: Clock) -> None:
    throttle = LocalRateLimiter(start_rate=4.0, clock=clock)
    for _ in range(5000):
        throttle.acquire(clock.sleep)
        clock.sleep(0.01)
        throttle.succeeded(0.01)
    course = throttle.stats.rate_over_time
    assert course[0] == (0.0, 4.0)
    assert 3 < len(course) <= 201


def test_one_key_has_one_throttle() -> None:
    assert get_rate_limiter("key-a", None, None) is get_rate_limiter("key-a", 50.0, 9.0)
    assert get_rate_limiter("key-a", None, None).stats.rate <= 9.0
    assert get_rate_limiter("key-a", None, None) is not get_rate_limiter("key-b", None, None)


def test_a_rate_is_remembered_without_the_key(tmp_path: Path) -> None:
    path = tmp_path / "state" / "rates.json"
    SavedRates(path).put("jca_secret", 25.0)
    SavedRates(path).put("jca_other", 8.0)
    assert SavedRates(path).get("jca_secret") == 25.0
    assert SavedRates(path).get("jca_third") is None
    assert "jca" not in path.read_text()
    assert sorted(each.name for each in path.parent.iterdir()) == ["locks", "rates.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": "fast"}', "\0"])
def test_a_broken_memory_is_no_memory(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rates.json"
    path.write_text(text)
    assert SavedRates(path).get("key") is None
    SavedRates(path).put("key", 12.5)
    assert SavedRates(path).get("key") == 12.5
    assert json.loads(path.read_text())


def test_an_absurd_memory_is_bounded(tmp_path: Path) -> None:
    rates = SavedRates(tmp_path / "rates.json")
    rates.put("key", 1e12)
    assert rates.get("key") == MAX_SAVED_RATE


NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("-5", None),
        ("0", 0.0),
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("86400", 120.0),
        (format_datetime(NOW + timedelta(seconds=20), usegmt=True), 20.0),
        (format_datetime(NOW - timedelta(seconds=20), usegmt=True), 0.0),
        (format_datetime(NOW + timedelta(days=1), usegmt=True), 120.0),
    ],
)
def test_retry_after_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=NOW) == seconds
