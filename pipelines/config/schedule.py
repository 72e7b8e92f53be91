"""Schedule of an integration: a cron expression and its time zone."""

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, ConfigDict

# Not at the full hour, when the API is busiest.
DEFAULT_CRON = "17 */12 * * *"
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def _check_cron(value: str) -> str:
    if len(value.split()) != 5:  # noqa: PLR2004 -- cron's
        raise ValueError(f"must have five fields, for example {DEFAULT_CRON!r}")
    try:
        next(CronSim(value, _ANY_TIME))
    except CronSimError as error:
        raise ValueError(
            f"is not a cron expression ({error}); write one such as {DEFAULT_CRON!r}"
        ) from None
    except StopIteration:
        raise ValueError("never occurs; choose a date that exists") from None
    return value


def _check_timezone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("is not an IANA time zone; write one such as 'Europe/Berlin'")
    return value


class Schedule(BaseModel):
    """A cron expression of five fields, and its time zone."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cron: Annotated[str, AfterValidator(_check_cron)] = DEFAULT_CRON
    timezone: Annotated[str, AfterValidator(_check_timezone)] = "UTC"

    def next_after(self, time: datetime) -> datetime:
        """Return the first tick after a time."""
        return next(CronSim(self.cron, time.astimezone(ZoneInfo(self.timezone))))

    def __str__(self) -> str:
        """Return the expression and the time zone."""
        return f"{self.cron} {self.timezone}"
