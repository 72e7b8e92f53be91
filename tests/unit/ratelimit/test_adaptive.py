"""Tests of the adaptive rate: simulated pulls through the limiter, on a simulated clock."""

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, pairwise, product

import pytest

from pipelines.ratelimit.limiter import LocalRateLimiter
from tests.support.limited_api import LATENCY, Api

PLACES = 10  # calls in flight at most
CALLS = 1700  # of a small organization's pull
MAX_REFUSED = 0.015
MIN_USED = 0.92  # of the rate that the API allows


@dataclass
class Pull:
    """Calls from PLACES threads. A refused call is sent again when the limiter allows it."""

    api: Api
    calls: int = CALLS
    now: float = 0.0
    in_flight: int = 0
    refused: int = 0
    sent_at: list[float] = field(default_factory=list)
    _events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=count)

    def run(self, start_rate: float = 4.0, max_rate: float | None = None) -> "Pull":
        self.limiter = LocalRateLimiter(
            start_rate=start_rate, max_rate=max_rate, clock=lambda: self.now
        )
        return self.resume()

    def resume(self) -> "Pull":
        while self.calls or self.in_flight:
            if self.calls and self.in_flight < PLACES:
                self.calls -= 1
                self.limiter.acquire(self._sleep)
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
            self.limiter.record_success(self.now - sent)
        else:
            self.refused += 1
            self.calls += 1
            self.limiter.record_throttled(pause)

    @property
    def sent_rates(self) -> list[float]:
        """Return the calls a second of each hundred calls."""
        return [100 / (end - begin) for begin, end in pairwise(self.sent_at[::100])]


def jitter(seed: int) -> Callable[[int], float]:
    """Return a latency that varies by half. One page in fifty takes ten times as long."""
    dice = random.Random(seed)  # noqa: S311 - a simulation

    def latency(_: int) -> float:
        return LATENCY * dice.uniform(0.5, 1.5) * (10 if dice.random() < 0.02 else 1)

    return latency


def swelling(in_flight: int) -> float:
    return 0.02 + 0.01 * max(0, in_flight - 4)


def test_slow_start_costs_little_without_limit() -> None:
    assert Pull(Api()).run().now < 1.20 * CALLS * LATENCY / PLACES


@pytest.mark.parametrize("remembered", [100.0, 200.0, 400.0])
def test_saved_rate_skips_slow_start(remembered: float) -> None:
    assert Pull(Api()).run(start_rate=remembered).now < 1.05 * CALLS * LATENCY / PLACES


def test_good_rate_without_limit_is_close_to_throughput() -> None:
    stats = Pull(Api()).run().limiter.stats
    assert 0.95 * PLACES / LATENCY < stats.good_rate < 4 * PLACES / LATENCY


def _cases(
    limits: tuple[float, ...], bursts: tuple[float, ...], remembered: tuple[float | None, ...]
) -> list[tuple[float, float, float | None]]:
    return [*product(limits, bursts, remembered)]


@pytest.mark.parametrize(
    ("limit", "burst", "remembered"),
    [
        *_cases((8, 25, 100), (1, 2, 4, 8, math.inf), (None, 0.25, 0.5, 0.97, 2.0)),
        # Held-out cases: no constant was tuned on them.
        *_cases((5, 12, 40, 70), (1, 3, 16), (None, 0.7, 1.4)),
    ],
)
def test_limit_is_found_and_used(limit: float, burst: float, remembered: float | None) -> None:
    # An unlimited burst is one second of calls.
    api = Api(limit, limit if math.isinf(burst) else burst)
    pull = Pull(api).run(start_rate=limit * remembered if remembered else 4.0)
    assert CALLS / pull.now >= MIN_USED * limit
    assert pull.refused <= MAX_REFUSED * len(pull.sent_at)
    assert pull.limiter.stats.good_rate == pytest.approx(limit, rel=0.08)


@pytest.mark.parametrize(("limit", "calls"), [(8, CALLS), (25, 4000)])
@pytest.mark.parametrize("burst", [1, 4, 8])
def test_requested_pauses_stay_rare(limit: float, calls: int, burst: float) -> None:
    pull = Pull(Api(limit, burst, names_pause=True), calls).run()
    paused = pull.limiter.stats.paused_seconds
    assert calls / (pull.now - paused) >= MIN_USED * limit
    assert calls / pull.now >= 0.88 * limit


def test_changed_limit_is_found_again() -> None:
    for before, after in ((8, 25), (25, 8)):
        api = Api(before, 8)
        pull = Pull(api, 4000)
        pull.at(60.0, lambda api=api, after=after: setattr(api, "limit", after))  # type: ignore[misc]
        pull.run()
        assert pull.sent_rates[-1] == pytest.approx(after, rel=0.08)
        assert pull.refused <= MAX_REFUSED * len(pull.sent_at)


def test_max_rate_is_never_exceeded() -> None:
    pull = Pull(Api(), 300).run(start_rate=400.0, max_rate=10.0)
    assert min(after - before for before, after in pairwise(pull.sent_at)) >= 0.1 - 1e-9


def test_429_halves_the_rate_once_per_round_trip() -> None:
    limiter = Pull(Api(), 300).run(max_rate=20.0).limiter
    rates = []
    for _ in range(3):
        limiter.record_throttled(None)
        rates.append(limiter.stats.rate)
    assert rates == pytest.approx([10.0, 10.0, 10.0], rel=0.01)


def test_idle_time_is_not_measured() -> None:
    pull = Pull(Api(), 300).run(max_rate=20.0)
    pull.now += 3600.0
    pull.calls = 4
    limiter = pull.resume().limiter
    limiter.record_throttled(None)
    assert limiter.stats.rate == pytest.approx(10.0, rel=0.01)


@pytest.mark.parametrize("remembered", [4.0, 100.0, 200.0])
def test_latency_that_grows_with_load_lowers_the_rate(remembered: float) -> None:
    pull = Pull(Api(latency=swelling), 4000).run(start_rate=remembered)
    settled = pull.sent_rates[20:]
    # All ten in flight would take 80 ms each.
    assert sum(settled) / len(settled) > 105
    assert max(settled) < 1.6 * min(settled)
    assert pull.limiter.stats.rate < 200


@pytest.mark.parametrize("seed", range(10))
def test_latency_noise_does_not_lower_the_rate(seed: int) -> None:
    pull = Pull(Api(latency=jitter(seed)), 3000).run(start_rate=160.0)
    ideal = 3000 * LATENCY * 1.18 / PLACES
    assert pull.now < 1.10 * ideal


def test_slow_endpoint_is_not_mistaken_for_load() -> None:
    numbers = count()
    pull = Pull(Api(latency=lambda _: 0.5 if next(numbers) > 1000 else LATENCY), 2000).run()
    assert pull.sent_rates[-1] > 0.95 * PLACES / 0.5
