"""When an integration is refreshed."""

from datetime import UTC, datetime
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, ConfigDict

# Not at the full hour, when everybody else calls.
DEFAULT_CRON = "17 */12 * * *"
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def _is_cron(value: str) -> str:
    try:
        fields = len(value.split())
        if fields != 5:  # noqa: PLR2004 -- cron's
            raise ValueError(f"must have five fields, as {DEFAULT_CRON!r}")
        next(CronSim(value, _ANY_TIME))
    except CronSimError as error:
        raise ValueError(f"is no cron expression ({error}); one is {DEFAULT_CRON!r}") from None
    except StopIteration:
        raise ValueError("never comes") from None
    return value


def _is_timezone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("is no IANA time zone; one is 'Europe/Berlin'")
    return value


class Schedule(BaseModel):
    """A cron expression of five fields, and the time zone that it is meant in."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    cron: Annotated[str, AfterValidator(_is_cron)] = DEFAULT_CRON
    timezone: Annotated[str, AfterValidator(_is_timezone)] = "UTC"

    def next_after(self, time: datetime) -> datetime:
        """The first tick after a time."""
        return next(CronSim(self.cron, time.astimezone(ZoneInfo(self.timezone))))

    def __str__(self) -> str:
        """As the settings have it."""
        return f"{self.cron} {self.timezone}"
