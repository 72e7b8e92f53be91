"""One rate for several processes, and what Redis keeps of it, on a simulated clock."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial

import pytest
import simpy
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from pipelines.ratelimit.local import LocalRateLimiter
from pipelines.ratelimit.redis import NAP_SECONDS
from pipelines.ratelimit.redis_schedule import CAP_SECONDS, RedisSchedule
from tests.support.limited_api import LATENCY, Api

PLACES = 8  # calls in flight of each process, at most
CALLS = 1700  # of all processes together
MAX_REFUSED = 0.03
MIN_USED = 0.88  # of the rate that the API allows
START = 1_750_000_000.0  # Redis counts seconds since 1970
TICK = 1e-6  # so that rounding lets nobody wake before the time

_PACE = TypeAdapter(RedisSchedule)


def kept(pace: RedisSchedule) -> RedisSchedule:
    """As Redis gives it to the next process."""
    return _PACE.validate_json(_PACE.dump_json(pace))


@dataclass
class Pulls:
    """Processes that send calls to one API with one key, and tell the pace as the throttle does."""

    api: Api
    processes: int
    start_rate: float = 4.0
    left: int = CALLS
    refused: int = 0
    sent_at: list[float] = field(default_factory=list)

    def run(self) -> "Pulls":
        env = simpy.Environment(START)
        self.pace = RedisSchedule.begun(START, self.start_rate)
        pulls = [_Process(self, env) for _ in range(self.processes)]
        places = [env.process(each.place()) for each in pulls for _ in range(PLACES)]
        env.run(env.all_of(places))
        self.seconds = env.now - START
        return self


class _Process:
    def __init__(self, pulls: Pulls, env: simpy.Environment) -> None:
        self.pulls, self.env = pulls, env
        self.turn = simpy.Resource(env)
        self.untold: list[tuple[float, Callable[[RedisSchedule, float], None]]] = []

    def tell(self) -> float:
        pace = self.pulls.pace = kept(self.pulls.pace)
        pace.advance(self.env.now)
        for at, each in self.untold:
            each(pace, at)
        self.untold.clear()
        return pace.at

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
                self.untold.append((env.now, partial(RedisSchedule.succeeded, latency=LATENCY)))
                continue
            pulls.left += 1
            pulls.refused += 1
            self.untold.append((env.now, partial(RedisSchedule.refused, pause=pause or 0.0)))
            self.tell()

    def acquire(self) -> Generator[simpy.Event]:
        env = self.env
        while True:
            at = self.tell()
            pace = self.pulls.pace
            due, given_in, pause = pace.reserve(), pace.round, pace.paused_until
            while env.now < due and self.pulls.pace.round == given_in:
                yield env.timeout(max(pause - env.now, min(due - env.now, NAP_SECONDS)) + TICK)
                if self.untold:
                    self.tell()
            if due <= at or self.pulls.pace.round == given_in:
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
    """A clock that only a sleep moves."""

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
def test_what_redis_keeps_decides_as_the_local_throttle_does(
    events: list[tuple[float, tuple[str, float]]], start_rate: float, cap: float | None
) -> None:
    clock = Clock()
    local = LocalRateLimiter(start_rate=start_rate, max_rate=cap, clock=clock)
    pace = RedisSchedule.begun(clock.now, start_rate)
    local.acquire(clock.sleep)
    pace.cap("one", cap)
    pace.reserve()
    for seconds, (kind, value) in events:
        clock.sleep(seconds)
        pace = kept(pace)
        pace.advance(clock.now)
        pace.cap("one", cap)
        if kind == "call":
            due = pace.reserve()
            local.acquire(clock.sleep)
            assert clock.now == pytest.approx(due, abs=TICK)
            pace.advance(max(due, clock.now))
        elif kind == "succeeded":
            local.succeeded(value)
            pace.succeeded(clock.now, value)
        else:
            local.throttled(value)
            pace.refused(clock.now, value)
        assert pace.rate.now == pytest.approx(local.stats.rate)
        assert pace.rate.good == pytest.approx(local.stats.good_rate)


def test_the_lowest_cap_counts_while_its_process_is_under_way() -> None:
    pace = RedisSchedule.begun(START, 100.0)
    pace.cap("slow", 5.0)
    pace.cap("slower", 2.0)
    pace.cap("free", None)
    assert pace.rate.now == 2.0
    pace.advance(START + CAP_SECONDS / 2)
    pace.cap("slow", 5.0)
    pace.advance(START + CAP_SECONDS + 1)
    pace.cap("free", None)
    assert pace.rate.now == 5.0
    assert kept(pace).caps.keys() == {"slow"}
    pace.advance(START + 2 * CAP_SECONDS)
    pace.cap("free", None)
    assert not pace.caps
    assert pace.rate.now == pytest.approx(100.0, rel=0.01)


def test_after_a_429_who_waits_gets_another_time() -> None:
    pace = RedisSchedule.begun(START, 8.0)
    times = [pace.reserve() for _ in range(4)]
    assert times == pytest.approx([START, START + 0.125, START + 0.25, START + 0.375])
    before = pace.round
    pace.advance(START + 0.2)
    pace.refused(START + 0.2, 30.0)
    assert pace.round != before
    assert pace.reserve() == pytest.approx(START + 30.2)
