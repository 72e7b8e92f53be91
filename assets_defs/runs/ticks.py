"""Ticks of schedules in UTC, computed by the code of Dagster that runs schedules."""

from datetime import UTC, datetime

from dagster._utils.schedules import schedule_execution_time_iterator

from pipelines.config.schedule import Schedule


def next_tick(schedule: Schedule, after: datetime) -> datetime:
    """Return the first tick after a time."""
    ticks = schedule_execution_time_iterator(after.timestamp(), schedule.cron, schedule.timezone)
    # Within one time zone, Python compares the times on the clock, which repeat in autumn.
    return next(tick for tick in (one.astimezone(UTC) for one in ticks) if tick > after)


def last_tick(schedule: Schedule, until: datetime) -> datetime:
    """Return the last tick that is not after a time."""
    ticks = schedule_execution_time_iterator(
        until.timestamp(), schedule.cron, schedule.timezone, ascending=False
    )
    return next(ticks).astimezone(UTC)
