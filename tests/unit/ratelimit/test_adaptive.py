"""The rate finds what the API takes: simulated pulls through the throttle, on a simulated clock."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, pairwise

import pytest

from pipelines.ratelimit.local import LocalRateLimiter
from tests.support.limited_api import LATENCY, Api

PLACES = 10  # calls in flight at most
CALLS = 1700  # of a small organization's pull
MAX_REFUSED = 0.015
MIN_USED = 0.92  # of the rate that the API allows


@dataclass
class Pull:
    """Calls sent from PLACES threads; a refused one is sent again when the throttle lets it."""

    api: Api
    calls: int = CALLS
    now: float = 0.0
    in_flight: int = 0
    refused: int = 0
    sent_at: list[float] = field(default_factory=list)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    def run(self, start_rate: float = 4.0, max_rate: float | None = None) -> "Pull":
        self.throttle = LocalRateLimiter(
            start_rate=start_rate, max_rate=max_rate, clock=lambda: self.now
        )
        return self.resume()

    def resume(self) -> "Pull":
        while self.calls or self.in_flight:
            if self.calls and self.in_flight < PLACES:
                self.calls -= 1
                self.throttle.acquire(self._sleep)
                self._send()
            else:
                self._next_event()
        return self

    def at(self, time: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time, next(self._numbers), event))

    def _sleep(self, seconds: float) -> None:
        until = self.now + seconds
        while self._events and self._events[0][0] <= until:
            self._next_event()
        self.now = until

    def _next_event(self) -> None:
        self.now, _, event = heapq.heappop(self._events)
        event()

    def _send(self) -> None:
        sent = self.now
        self.in_flight += 1
        self.sent_at.append(sent)
        latency = self.api.latency(self.in_flight)
        self.at(sent + latency / 2, lambda: self._arrive(sent, latency))

    def _arrive(self, sent: float, latency: float) -> None:
        accepted, pause = self.api.answer(self.now)
        self.at(sent + latency, lambda: self._answered(sent, pause, accepted=accepted))

    def _answered(self, sent: float, pause: float | None, *, accepted: bool) -> None:
        self.in_flight -= 1
        if accepted:
            self.throttle.succeeded(self.now - sent)
        else:
            self.refused += 1
            self.calls += 1
            self.throttle.throttled(pause)

    @property
    def sent_rates(self) -> list[float]:
        """Calls a second, of each hundred calls."""
        return [100 / (end - begin) for begin, end in pairwise(self.sent_at[::100])]


def jitter(seed: int) -> Callable[[int], float]:
    """Latency that varies by half, and one page in fifty that takes ten times as long."""
    dice = random.Random(seed)  # noqa: S311 - a simulation

    def latency(_: int) -> float:
        return LATENCY * dice.uniform(0.5, 1.5) * (10 if dice.random() < 0.02 else 1)

    return latency


def swelling(in_flight: int) -> float:
    return 0.02 + 0.01 * max(0, in_flight - 4)


def test_without_a_limit_the_way_up_costs_little() -> None:
    assert Pull(Api()).run().now < 1.20 * CALLS * LATENCY / PLACES


@pytest.mark.parametrize("remembered", [100.0, 200.0, 400.0])
def test_a_remembered_rate_saves_the_way_up(remembered: float) -> None:
    assert Pull(Api()).run(start_rate=remembered).now < 1.05 * CALLS * LATENCY / PLACES


def test_without_a_limit_the_good_rate_does_not_slow_the_next_run_nor_run_away() -> None:
    stats = Pull(Api()).run().throttle.stats
    assert 0.95 * PLACES / LATENCY < stats.good_rate < 4 * PLACES / LATENCY


@pytest.mark.parametrize("limit", [8, 25, 100])
@pytest.mark.parametrize("burst", [1, 2, 4, 8, "limit"])
@pytest.mark.parametrize("remembered", [None, 0.25, 0.5, 0.97, 2.0])
def test_a_limit_is_found_and_used(
    limit: float, burst: float | str, remembered: float | None
) -> None:
    api = Api(limit, limit if isinstance(burst, str) else burst)
    pull = Pull(api).run(start_rate=limit * remembered if remembered else 4.0)
    assert CALLS / pull.now >= MIN_USED * limit
    assert pull.refused <= MAX_REFUSED * len(pull.sent_at)
    assert pull.throttle.stats.good_rate == pytest.approx(limit, rel=0.08)


@pytest.mark.parametrize(("limit", "calls"), [(8, CALLS), (25, 4000)])
@pytest.mark.parametrize("burst", [1, 4, 8])
def test_pauses_that_are_ordered_stay_rare(limit: float, calls: int, burst: float) -> None:
    pull = Pull(Api(limit, burst, names_pause=True), calls).run()
    paused = pull.throttle.stats.paused_seconds
    assert calls / (pull.now - paused) >= MIN_USED * limit
    assert calls / pull.now >= 0.88 * limit


def test_a_limit_that_is_raised_or_lowered_is_found_again() -> None:
    for before, after in ((8, 25), (25, 8)):
        api = Api(before, 8)
        pull = Pull(api, 4000)
        pull.at(60.0, lambda api=api, after=after: setattr(api, "limit", after))  # type: ignore[misc]
        pull.run()
        assert pull.sent_rates[-1] == pytest.approx(after, rel=0.08)
        assert pull.refused <= MAX_REFUSED * len(pull.sent_at)


def test_the_cap_is_never_passed() -> None:
    pull = Pull(Api(), 300).run(start_rate=400.0, max_rate=10.0)
    assert min(after - before for before, after in pairwise(pull.sent_at)) >= 0.1 - 1e-9


def test_a_429_halves_the_rate_and_those_of_calls_under_way_do_not_halve_it_again() -> None:
    throttle = Pull(Api(), 300).run(max_rate=20.0).throttle
    rates = []
    for _ in range(3):
        throttle.throttled(None)
        rates.append(throttle.stats.rate)
    assert rates == pytest.approx([10.0, 10.0, 10.0], rel=0.01)


def test_a_time_without_calls_teaches_nothing() -> None:
    pull = Pull(Api(), 300).run(max_rate=20.0)
    pull.now += 3600.0
    pull.calls = 4
    throttle = pull.resume().throttle
    throttle.throttled(None)
    assert throttle.stats.rate == pytest.approx(10.0, rel=0.01)


@pytest.mark.parametrize("remembered", [4.0, 100.0, 200.0])
def test_latency_that_swells_with_load_slows_it_down(remembered: float) -> None:
    pull = Pull(Api(latency=swelling), 4000).run(start_rate=remembered)
    settled = pull.sent_rates[20:]
    # All ten in flight would take 80 ms each.
    assert sum(settled) / len(settled) > 105
    assert max(settled) < 1.6 * min(settled)
    assert pull.throttle.stats.rate < 200


@pytest.mark.parametrize("seed", range(10))
def test_noise_does_not_slow_it_down(seed: int) -> None:
    pull = Pull(Api(latency=jitter(seed)), 3000).run(start_rate=160.0)
    ideal = 3000 * LATENCY * 1.18 / PLACES
    assert pull.now < 1.10 * ideal


def test_an_endpoint_that_is_slow_by_itself_is_not_mistaken_for_load() -> None:
    numbers = count()
    pull = Pull(Api(latency=lambda _: 0.5 if next(numbers) > 1000 else LATENCY), 2000).run()
    assert pull.sent_rates[-1] > 0.95 * PLACES / 0.5
