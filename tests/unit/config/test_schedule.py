"""Cron expressions of the settings, compared with those that Dagster runs."""

import random
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest
from dagster._utils.schedules import is_valid_cron_string, schedule_execution_time_iterator
from pydantic import ValidationError

from assets_defs.runs.ticks import last_tick, next_tick
from pipelines.config.schedule import Schedule

RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
WORDS: dict[int, tuple[str, ...]] = {3: ("jan", "FEB", "dec"), 4: ("sun", "mon", "SAT")}
ODD_TERMS: dict[int, tuple[str, ...]] = {
    2: ("L", "l", "LW", "15W", "?", "L-3"),
    4: ("5L", "L5", "?", "L", "mon-fri#2", "1-5#2"),
}
# Dagster's days of clock change: 25 October 2026 and 28 March 2027.
BEFORE_WINTER = datetime(2026, 10, 24, tzinfo=UTC)


def value(choose: random.Random, field: int) -> str:
    low, high = RANGES[field]
    numbers = [str(choose.randint(low, high)) for _ in range(12)]
    return choose.choice([*numbers, *WORDS.get(field, ()), f"0{low}", str(high + 1)])


def term(choose: random.Random, field: int) -> str:
    one, other = value(choose, field), value(choose, field)
    plain = choose.choice(["*", one, f"{one}-{other}"]) + choose.choice(["", "", "/2", "/0", "/90"])
    odd = [*ODD_TERMS.get(field, ()), f"{one}#{choose.randint(0, 6)}"]
    return choose.choice([plain] * 8 + odd)


def expression(choose: random.Random) -> str:
    """Return a cron expression, which may be wrong."""
    return " ".join(
        choose.choice(["*", ",".join(term(choose, field) for _ in range(choose.choice([1, 1, 2])))])
        for field in range(5)
    )


def is_accepted(cron: str) -> bool:
    try:
        Schedule(cron=cron)
    except ValidationError:
        return False
    return True


def test_dagster_runs_every_accepted_expression() -> None:
    choose = random.Random(1)  # noqa: S311 -- a fixed sequence
    accepted = [cron for cron in (expression(choose) for _ in range(1000)) if is_accepted(cron)]
    assert len(accepted) > 200
    start = BEFORE_WINTER.timestamp()
    for cron in accepted:
        assert is_valid_cron_string(cron), cron
        first, second = islice(schedule_execution_time_iterator(start, cron, "Europe/Berlin"), 2)
        assert first.astimezone(UTC) < second.astimezone(UTC), cron


@pytest.mark.parametrize(
    "cron",
    [
        "0 6 * * 1-5",
        "*/90 5/15 1,15 jan-mar,12 sun,TUE",
        "0 6 L * *",
        "0 6 1,L * ?",
        "0 6 * * mon#1,5#3",
        "0 6 29 2 *",
        "0 6 31 4 1",
        "0 6 */2 * 1",
        "0 6 1 * mon#1",
        "0\t6  * * 7",
    ],
)
def test_expression_is_accepted(cron: str) -> None:
    assert is_accepted(cron)


@pytest.mark.parametrize(
    ("cron", "message"),
    [
        ("0 6 * *", "must have five fields"),
        ("@daily", "must have five fields"),
        ("0 6 LW * *", "the day of the month is not valid"),
        ("0 6 * * 5L", "the weekday is not valid"),
        ("0 24 * * *", "the hour is not valid"),
        ("0 6 * * mon,tue#1", "the weekday is not valid"),
        ("0 22-2 * * *", "the hour is not valid"),
        ("*/0 * * * *", "the minute is not valid"),
        ("0 6 30 feb *", "never occurs"),
        ("0 6 30 2 1", "never occurs"),
        ("0 6 31 4,6 *", "never occurs"),
        ("0 6 31 4 0-6", "never occurs"),
        ("0 6 10 * mon#1", "never occurs"),
    ],
)
def test_wrong_expression_is_explained(cron: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Schedule(cron=cron)
    assert message in str(caught.value)


@pytest.mark.parametrize("cron", ["0 * * * *", "30 2 * * *", "*/20 1-3 * * *", "0 6 */2 * 1"])
def test_ticks_are_those_of_dagster_in_both_directions(cron: str) -> None:
    schedule = Schedule(cron=cron, timezone="Europe/Berlin")
    found = schedule_execution_time_iterator(BEFORE_WINTER.timestamp(), cron, "Europe/Berlin")
    ticks = [tick.astimezone(UTC) for tick in islice(found, 40)]
    moment = timedelta(microseconds=1)
    for tick, following in pairwise(ticks):
        assert next_tick(schedule, tick) == next_tick(schedule, following - moment) == following
        assert last_tick(schedule, tick) == last_tick(schedule, following - moment) == tick
