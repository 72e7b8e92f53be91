"""How many workers many organizations take, by simulation: nothing is pulled."""

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from math import ceil
from pathlib import Path

from benchmarks.capacity import EVENT_BYTES, RUNS_KEPT_BY_DAGSTER, Costs, Size
from benchmarks.fleet import Fleet, Outcome, Run, simulate
from benchmarks.report import GIB, MIB, Goal, Report

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR
# Of the twelve hours between two ticks, two are left for what a bad day adds.
WITHIN = 10 * HOUR
SOON = HOUR
NUMBERS = (100, 1_000, 10_000)
PROVIDER = 50
MEDIAN_SYSTEMS = 60
SPREAD = 1.0  # standard deviation of the logarithm: a sixth has more than 160, or fewer than 22
FEWEST_SYSTEMS, MAX_SYSTEMS = 5, 5_000
BETWEEN_LOSSES = DAY  # of one machine; on average
BAD_DAY_WORKERS = 6
COSTS = Costs()
# What `cluster` runs: small organizations, an API that answers at once, all on one machine.
SMALL_CALLS = 51
SMALL_NUMBER = 100
SMALL_COSTS = Costs(storage=0.5, latency=0.002, rate=200.0)
SMALL_SERVICES_CPU = 1.0
MAX_WORKERS = 8
COLUMNS = (
    "organizations",
    "keys",
    "calls",
    "busiest key",
    "workers, 10 h",
    "last publication",
    "workers, 1 h",
    "last publication",
)
NONE = "none"
OWN = "own"


def measure(_scratch: Path) -> Report:
    """Work off one tick with ever more workers, until they are enough."""
    rows, goals = [], []
    for number in NUMBERS:
        sizes = population(number)
        for words, runs in _sharings(sizes).items():
            enough, soon = least_workers(runs, WITHIN), least_workers(runs, SOON)
            rows.append([f"{number:,}", words, *_cells(runs, enough, soon)])
            if words == OWN:
                workers = enough[0] if enough else len(runs)
                goals.append(Goal(f"{number:,} organizations: workers", workers, MAX_WORKERS))
    title = f"Capacity: simulated ticks, {COSTS.rate:g} calls a second for each key"
    return Report(title, COLUMNS, rows, goals, _notes())


def population(number: int) -> list[Size]:
    """Organizations of mixed sizes, most of them small; the same at each call."""
    chance = random.Random(number)  # noqa: S311 -- no secret
    factors = [chance.lognormvariate(0.0, SPREAD) for _ in range(number)]
    sizes = [round(MEDIAN_SYSTEMS * each) for each in factors]
    return [Size.of(min(max(each, FEWEST_SYSTEMS), MAX_SYSTEMS)) for each in sizes]


def count_runs(sizes: Sequence[Size], per_key: int) -> list[Run]:
    """One run of each, where so many share a key."""
    return [Run(key=place // per_key, calls=size.calls) for place, size in enumerate(sizes)]


def _sharings(sizes: Sequence[Size]) -> dict[str, list[Run]]:
    """Who shares a key; those who do are queued one after the other, unless turns are mixed."""
    mixed = count_runs(sizes, PROVIDER)
    random.Random(len(sizes)).shuffle(mixed)  # noqa: S311 -- no secret
    return {
        OWN: count_runs(sizes, 1),
        f"one for {PROVIDER}": count_runs(sizes, PROVIDER),
        f"one for {PROVIDER}, queued mixed": mixed,
        "one for all": count_runs(sizes, len(sizes)),
    }


def least_workers(runs: Sequence[Run], within: float) -> tuple[int, Outcome] | None:
    """The fewest workers that publish all within so many seconds, and how; None if no number does.

    What they cannot do in the sum of their time, and what no key gives, is not tried.
    """
    if _busiest_key_seconds(runs) > within:
        return None
    least = enough = ceil(sum(COSTS.run_seconds(each.calls) for each in runs) / within)
    while not _is_within(runs, enough, within):
        if enough > len(runs):
            return None
        enough *= 2
    numbers = range(max(least, enough // 2), enough + 1)
    workers = numbers[bisect_left(numbers, 1, key=lambda each: _is_within(runs, each, within))]
    return workers, _outcome(runs, workers)


def _is_within(runs: Sequence[Run], workers: int, within: float) -> bool:
    return _outcome(runs, workers).last <= within


def _outcome(runs: Sequence[Run], workers: int) -> Outcome:
    return simulate(runs, Fleet(workers, between_losses=BETWEEN_LOSSES), COSTS)


def _busiest_key_seconds(runs: Sequence[Run]) -> float:
    calls: Counter[int] = Counter()
    for each in runs:
        calls[each.key] += each.calls
    return max(calls.values()) / COSTS.rate


def _cells(runs: Sequence[Run], *found: tuple[int, Outcome] | None) -> list[str]:
    cells = [f"{sum(each.calls for each in runs):,}", _duration(_busiest_key_seconds(runs))]
    for each in found:
        cells += [str(each[0]), _duration(each[1].last)] if each else [NONE, NONE]
    return cells


def _duration(seconds: float) -> str:
    return f"{seconds / HOUR:.1f} h" if seconds >= HOUR else f"{seconds / MINUTE:.1f} min"


def _notes() -> list[str]:
    return [*map(_storage, NUMBERS), _bad_day(), _prediction()]


def _storage(number: int) -> str:
    sizes = population(number)
    systems = sum(each.systems for each in sizes)
    history = sum(each.history_bytes for each in sizes) / GIB
    events = number * RUNS_KEPT_BY_DAGSTER * EVENT_BYTES / GIB
    memory = max(each.memory_bytes for each in sizes) / MIB
    return (
        f"- {number:,} organizations have {systems:,} systems: {history:,.0f} GiB of history a "
        f"year, {events:,.0f} GiB of Dagster's records; a worker takes at most {memory:,.0f} MiB"
    )


def _bad_day() -> str:
    runs = count_runs(population(NUMBERS[-1]), 1)
    fleet = Fleet(BAD_DAY_WORKERS, between_losses=HOUR)
    outcome = simulate(runs, fleet, COSTS)
    return (
        f"- {len(runs):,} organizations with keys of their own, {fleet.workers} workers, each "
        f"machine lost once an hour for {fleet.back / MINUTE:g} minutes: {outcome.lost} runs "
        f"lost and begun again, the last published after {_duration(outcome.last)}"
    )


def _prediction() -> str:
    runs = [Run(key, SMALL_CALLS) for key in range(SMALL_NUMBER)]
    one, two = (
        simulate(runs, Fleet(workers, services_cpu=SMALL_SERVICES_CPU), SMALL_COSTS).last
        for workers in (1, 2)
    )
    words = f"{SMALL_NUMBER} small organizations on one machine of two cores"
    return f"- {words}: {one:.0f} s with one worker, {two:.0f} s with two ({one / two:.2f} x)"
