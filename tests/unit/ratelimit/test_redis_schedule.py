"""Tests of the schedule that processes share, on a simulated clock."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pipelines.ratelimit.limiter import LocalRateLimiter
from pipelines.ratelimit.redis import MAX_RATE_SECONDS, NAP_SECONDS, RedisSchedule
from tests.support.limited_api import LATENCY, Api

PLACES = 8  # calls in flight of each process, at most
CALLS = 1700  # of all processes together
MAX_REFUSED = 0.03
MIN_USED = 0.88  # of the rate that the API allows
START = 1_750_000_000.0  # Redis counts seconds since 1970
TICK = 1e-6  # so that rounding wakes no process early

_SCHEDULE = TypeAdapter(RedisSchedule)


def kept(schedule: RedisSchedule) -> RedisSchedule:
    """Return the schedule as the next process reads it from Redis."""
    return _SCHEDULE.validate_json(_SCHEDULE.dump_json(schedule))


@dataclass
class Pulls:
    """Processes that send calls with one key, and report responses as the limiter does."""

    api: Api
    processes: int
    start_rate: float = 4.0
    left: int = CALLS
    refused: int = 0
    sent_at: list[float] = field(default_factory=list)

    def run(self) -> "Pulls":
        env = simpy.Environment(START)
        self.schedule = RedisSchedule.begin(START, self.start_rate)
        pulls = [_Process(self, env) for _ in range(self.processes)]
        places = [env.process(pull.place()) for pull in pulls for _ in range(PLACES)]
        env.run(env.all_of(places))
        self.seconds = env.now - START
        return self


class _Process:
    def __init__(self, pulls: Pulls, env: simpy.Environment) -> None:
        self.pulls, self.env = pulls, env
        self.turn = simpy.Resource(env)
        self.unreported: list[tuple[float, Callable[[RedisSchedule, float], None]]] = []

    def report(self) -> float:
        schedule = self.pulls.schedule = kept(self.pulls.schedule)
        schedule.advance(self.env.now)
        for at, record in self.unreported:
            record(schedule, at)
        self.unreported.clear()
        return schedule.at

    def place(self) -> Generator[simpy.Event]:
        pulls, env = self.pulls, self.env
        while pulls.left:
            pulls.left -= 1
            with self.turn.request() as turn:
                yield turn
                yield from self.acquire()
            sent = env.now
            pulls.sent_at.append(sent)
            yield env.timeout(LATENCY / 2)
            accepted, pause = pulls.api.answer(env.now - START)
            yield env.timeout(LATENCY / 2)
            if accepted:
                self.unreported.append(
                    (env.now, partial(RedisSchedule.record_success, latency=LATENCY))
                )
                continue
            pulls.left += 1
            pulls.refused += 1
            self.unreported.append(
                (env.now, partial(RedisSchedule.record_throttled, pause=pause or 0.0))
            )
            self.report()

    def acquire(self) -> Generator[simpy.Event]:
        env = self.env
        while True:
            at = self.report()
            schedule = self.pulls.schedule
            due, given_in, pause = schedule.reserve(), schedule.epoch, schedule.paused_until
            while env.now < due and self.pulls.schedule.epoch == given_in:
                yield env.timeout(max(pause - env.now, min(due - env.now, NAP_SECONDS)) + TICK)
                if self.unreported:
                    self.report()
            if due <= at or self.pulls.schedule.epoch == given_in:
                return


@pytest.mark.parametrize("processes", [2, 10])
@pytest.mark.parametrize("limit", [8, 25, 100])
@pytest.mark.parametrize("burst", [1, 8])
@pytest.mark.parametrize("remembered", [None, 0.97])
def test_processes_find_and_use_a_limit_together(
    processes: int, limit: float, burst: float, remembered: float | None
) -> None:
    start_rate = limit * remembered if remembered else 4.0
    pulls = Pulls(Api(limit, burst), processes, start_rate).run()
    assert CALLS / pulls.seconds >= MIN_USED * limit
    assert pulls.refused <= MAX_REFUSED * len(pulls.sent_at)


class Clock:
    """A clock that only `sleep` advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


SECONDS = st.floats(0.001, 3.0)
EVENTS = st.one_of(
    st.tuples(st.just("call"), SECONDS),
    st.tuples(st.just("succeeded"), SECONDS),
    st.tuples(st.just("refused"), st.sampled_from([0.0, 1.0, 7.5])),
)


@given(
    st.lists(st.tuples(st.floats(0.001, 0.3), EVENTS), max_size=120),
    st.sampled_from([4.0, 25.0, 400.0]),
    st.sampled_from([None, 6.0]),
)
def test_schedule_decides_like_the_local_limiter(
    events: list[tuple[float, tuple[str, float]]], start_rate: float, cap: float | None
) -> None:
    clock = Clock()
    local = LocalRateLimiter(start_rate=start_rate, max_rate=cap, clock=clock)
    schedule = RedisSchedule.begin(clock.now, start_rate)
    local.acquire(clock.sleep)
    schedule.set_max_rate("one", cap)
    schedule.reserve()
    for seconds, (kind, value) in events:
        clock.sleep(seconds)
        schedule = kept(schedule)
        schedule.advance(clock.now)
        schedule.set_max_rate("one", cap)
        if kind == "call":
            due = schedule.reserve()
            local.acquire(clock.sleep)
            assert clock.now == pytest.approx(due, abs=TICK)
            schedule.advance(max(due, clock.now))
        elif kind == "succeeded":
            local.record_success(value)
            schedule.record_success(clock.now, value)
        else:
            local.record_throttled(value)
            schedule.record_throttled(clock.now, value)
        assert schedule.rate.current == pytest.approx(local.stats.rate)
        assert schedule.rate.best == pytest.approx(local.stats.good_rate)


def test_lowest_max_rate_applies_until_it_expires() -> None:
    schedule = RedisSchedule.begin(START, 100.0)
    schedule.set_max_rate("slow", 5.0)
    schedule.set_max_rate("slower", 2.0)
    schedule.set_max_rate("free", None)
    assert schedule.rate.current == 2.0
    schedule.advance(START + MAX_RATE_SECONDS / 2)
    schedule.set_max_rate("slow", 5.0)
    schedule.advance(START + MAX_RATE_SECONDS + 1)
    schedule.set_max_rate("free", None)
    assert schedule.rate.current == 5.0
    assert kept(schedule).max_rates.keys() == {"slow"}
    schedule.advance(START + 2 * MAX_RATE_SECONDS)
    schedule.set_max_rate("free", None)
    assert not schedule.max_rates
    assert schedule.rate.current == pytest.approx(100.0, rel=0.01)


def test_429_revokes_reservations() -> None:
    schedule = RedisSchedule.begin(START, 8.0)
    times = [schedule.reserve() for _ in range(4)]
    assert times == pytest.approx([START, START + 0.125, START + 0.25, START + 0.375])
    before = schedule.epoch
    schedule.advance(START + 0.2)
    schedule.record_throttled(START + 0.2, 30.0)
    assert schedule.epoch != before
    assert schedule.reserve() == pytest.approx(START + 30.2)
