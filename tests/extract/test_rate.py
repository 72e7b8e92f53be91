"""The rate finds what the API takes, in a simulation on a clock of its own."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pipelines.extract.rate import Rate

PLACES = 10  # calls in flight at most
LATENCY = 0.05
Latency = Callable[[int], float]


class Limit:
    """A token bucket: `rate` calls a second, and `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, 0.0

    def takes(self, at: float) -> bool:
        self._tokens = min(self._burst, self._tokens + (at - self._at) * self._rate)
        self._at = at
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass
class Outcome:
    """How a simulated pull went: its end, answers 429, and the rate after each answer."""

    rate: Rate
    seconds: float
    refused: int
    rates: list[float]


def simulate(
    rate: Rate,
    calls: int,
    limit: Limit | None = None,
    latency: Latency = lambda _: LATENCY,
    retry_after: float | None = None,
) -> Outcome:
    """Send calls from PLACES threads until each was taken; a refused one waits its turn again."""
    now, last, paused, place_free_at = 0.0, float("-inf"), 0.0, 0.0
    ready = [0.0] * calls  # when each call that is still to be sent may be sent
    under_way: list[tuple[float, int, bool, float]] = []
    refused, rates = 0, []
    rate.begin(now)
    while ready or under_way:
        due = float("inf")
        if ready and len(under_way) < PLACES:
            due = max(now, last + 1 / rate.now, paused, ready[0])
        if under_way and under_way[0][0] <= due:
            now, _, was_taken, seconds = heapq.heappop(under_way)
            place_free_at = now if len(under_way) == PLACES - 1 else place_free_at
            if was_taken:
                rate.succeeded(now, seconds)
            else:
                refused += 1
                paused = max(paused, now + (retry_after or 0.0))
                rate.refused(now, retry_after or 0.0)
                heapq.heappush(ready, now if retry_after else now + 1.5)
            rates.append(rate.now)
            continue
        rate.sent(due, waited=due > max(place_free_at, last))
        now = last = due
        heapq.heappop(ready)
        seconds = latency(len(under_way))
        taken = limit is None or limit.takes(now + seconds / 2)
        heapq.heappush(under_way, (now + seconds, len(rates), taken, seconds))
        place_free_at = now
    return Outcome(rate, now, refused, rates)


def test_without_a_limit_the_way_up_costs_little() -> None:
    ideal = 1700 * LATENCY / PLACES
    assert simulate(Rate(), 1700).seconds < 1.2 * ideal


def test_with_a_remembered_rate_there_is_no_way_up() -> None:
    first = simulate(Rate(), 1700).rate
    ideal = 1700 * LATENCY / PLACES
    again = simulate(Rate(now=2 * first.good), 1700)
    assert again.seconds < 1.05 * ideal


@pytest.mark.parametrize("limit", [8, 25, 100])
@pytest.mark.parametrize("start", [4, 20, 98, 400])
def test_a_limit_is_found_and_kept_to(limit: int, start: float) -> None:
    calls = 200 * limit
    outcome = simulate(Rate(now=start), calls, Limit(limit, limit))
    assert calls / outcome.seconds > 0.92 * limit
    assert outcome.refused < 0.02 * calls
    assert outcome.rate.good == pytest.approx(limit, rel=0.1)


@pytest.mark.parametrize("limit", [8, 25])
@pytest.mark.parametrize("burst", [1, 2, 8])
def test_a_limit_without_much_burst_is_found_too(limit: int, burst: float) -> None:
    calls = 60 * limit
    outcome = simulate(Rate(), calls, Limit(limit, burst))
    assert calls / outcome.seconds > 0.85 * limit
    assert outcome.refused < max(0.02 * calls, 12)


@pytest.mark.parametrize("limit", [8, 25, 100])
def test_retry_after_is_no_reason_to_crawl(limit: int) -> None:
    calls = 60 * limit
    outcome = simulate(Rate(), calls, Limit(limit, limit), retry_after=1.0)
    assert calls / outcome.seconds > 0.9 * limit


def test_a_429_halves_the_rate() -> None:
    rate = Rate(now=20.0)
    rate.begin(0.0)
    for number in range(60):
        rate.sent(0.05 * number, waited=False)
        rate.succeeded(0.05 * number, LATENCY)
    assert rate.now == 20.0
    rate.refused(3.0)
    assert rate.now == 10.0


def test_answers_of_calls_under_way_are_of_the_same_congestion() -> None:
    rate = Rate(now=20.0)
    rate.begin(0.0)
    rate.succeeded(1.0, LATENCY)
    rate.refused(3.0)
    halved = rate.now
    rate.refused(3.01)
    rate.refused(3.05)
    assert rate.now == halved


def test_the_cap_is_never_passed() -> None:
    outcome = simulate(Rate(most=10), 600)
    assert max(outcome.rates) == 10
    assert outcome.seconds >= 59


def test_latency_that_swells_with_load_slows_it_down() -> None:
    def swelling(in_flight: int) -> float:
        return 0.02 + 0.03 * max(0, in_flight - 4)

    outcome = simulate(Rate(), 3000, latency=swelling)
    unbridled = max(outcome.rates)
    settled = outcome.rates[1500:]
    assert max(settled) < 0.9 * unbridled
    assert min(settled) > 0.4 * max(settled)


def test_noise_does_not_slow_it_down() -> None:
    dice = random.Random(7)  # noqa: S311 -- a simulation

    def noisy(_: int) -> float:
        return LATENCY * dice.uniform(0.5, 1.5) * (10 if dice.random() < 0.01 else 1)

    ideal = 1700 * LATENCY * 1.09 / PLACES
    assert simulate(Rate(), 1700, latency=noisy).seconds < 1.3 * ideal


@pytest.mark.parametrize("pause", [5.0, 30.0, 120.0])
def test_a_long_pause_does_not_count_as_growth(pause: float) -> None:
    outcome = simulate(Rate(), 300, Limit(8, 8), retry_after=pause)
    assert max(outcome.rates[-200:]) < 3 * 8


def test_idle_time_does_not_count_as_growth() -> None:
    rate = simulate(Rate(), 600, Limit(8, 8)).rate
    before = rate.now
    rate.sent(100_000.0, waited=False)
    rate.succeeded(100_000.05, LATENCY)
    assert rate.now <= before
    assert rate.good < 10
