"""The state of sensors and schedules in a Dagster instance, as the daemon records it."""

from datetime import datetime

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RemoteInstigatorOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    SensorInstigatorData,
)

from assets_defs.runs.foreground import repository_origin
from assets_defs.runs.scheduling import REFRESH_SENSOR


def miss_ticks(instance: dg.DagsterInstance, since: datetime) -> None:
    """Record that the sensor is running, and was not evaluated since a time.

    The next daemon starts the runs that are due since then.
    """
    switch_sensor(instance, InstigatorStatus.DECLARED_IN_CODE, since.isoformat())


def switch_sensor(
    instance: dg.DagsterInstance, status: InstigatorStatus, cursor: str | None = None
) -> None:
    """Record the switch of the sensor that refreshes the integrations."""
    data = SensorInstigatorData(cursor=cursor)
    state = InstigatorState(_origin(REFRESH_SENSOR), InstigatorType.SENSOR, status, data)
    if instance.get_instigator_state(state.instigator_origin_id, state.selector_id):
        instance.update_instigator_state(state)
    else:
        instance.add_instigator_state(state)


def switch_former_schedule_off(instance: dg.DagsterInstance, name: str, cron: str) -> None:
    """Record that a schedule of an earlier version was switched off."""
    instance.add_instigator_state(
        InstigatorState(
            _origin(name),
            InstigatorType.SCHEDULE,
            InstigatorStatus.STOPPED,
            ScheduleInstigatorData(cron),
        )
    )


def _origin(name: str) -> RemoteInstigatorOrigin:
    return RemoteInstigatorOrigin(repository_origin(), name)
