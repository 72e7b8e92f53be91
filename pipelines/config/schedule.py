"""Schedule of an integration: a cron expression and its time zone."""

import re
from calendar import monthrange
from typing import Annotated, NamedTuple
from zoneinfo import available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict

# Not at the full hour, when the API is busiest.
DEFAULT_CRON = "17 */12 * * *"
_LEAP_YEAR = 2028
_TERM = re.compile(r"(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:/([1-9]\d{0,2}))?", re.ASCII)
_NTH = "[0-7]#[1-5]"  # the first Monday of the month is 1#1


class _Field(NamedTuple):
    name: str
    values: range
    words: str = ""
    other_forms: str = r"(?!)"
    last: str = ""


_FIELDS = (
    _Field("minute", range(60)),
    _Field("hour", range(24)),
    _Field("day of the month", range(1, 32), other_forms=r"\?", last="l"),
    _Field("month", range(1, 13), "jan feb mar apr may jun jul aug sep oct nov dec"),
    _Field("weekday", range(8), "sun mon tue wed thu fri sat", rf"\?|{_NTH}(,{_NTH})*"),
)


def _check_cron(value: str) -> str:
    """Check an expression; what passes is a subset of the expressions that Dagster runs."""
    texts = value.lower().split()
    if len(texts) != len(_FIELDS):
        raise ValueError(f"must have five fields, for example {DEFAULT_CRON!r}")
    _, _, days, months, weekdays = map(_parse, _FIELDS, texts)
    longest = max(monthrange(_LEAP_YEAR, month)[1] for month in months)
    nth = {(day - 1) // 7 + 1 for day in days}
    # With both, Dagster runs on either day, but it refuses the 30th of February all the same, and
    # an nth weekday that is never on such a day.
    if (min(days) > longest and (weekdays.issuperset(range(7)) or months == {2})) or (
        "#" in texts[4] and nth.isdisjoint(map(int, re.findall("#(.)", texts[4])))
    ):
        raise ValueError("never occurs; choose a date that exists")
    return value


def _parse(field: _Field, text: str) -> set[int]:
    """Return the values of a field, all for a form that does not limit the days by number."""
    for number, word in enumerate(field.words.split(), field.values[0]):
        text = re.sub(rf"\b{word}\b", str(number), text)
    if re.fullmatch(field.other_forms, text):
        return set(field.values)
    return set().union(*(_parse_term(field, term) for term in text.split(",")))


def _parse_term(field: _Field, text: str) -> range:
    if text == field.last:
        return field.values[-4:]
    match = _TERM.fullmatch(text)
    if match:
        low = int(match[1] or field.values[0])
        high = int(match[2] or (field.values[-1] if match[3] or not match[1] else low))
        if low in field.values and high in field.values and low <= high:
            return range(low, high + 1, int(match[3] or 1))
    raise ValueError(f"the {field.name} is not valid; write an expression such as {DEFAULT_CRON!r}")


def _check_timezone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("is not an IANA time zone; write one such as 'Europe/Berlin'")
    return value


class Schedule(BaseModel):
    """A cron expression of five fields, and its time zone."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cron: Annotated[str, AfterValidator(_check_cron)] = DEFAULT_CRON
    timezone: Annotated[str, AfterValidator(_check_timezone)] = "UTC"

    def __str__(self) -> str:
        """Return the expression and the time zone."""
        return f"{self.cron} {self.timezone}"
