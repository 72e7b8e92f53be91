"""Record missed ticks of a schedule, so that the next daemon starts a run at once."""

from datetime import datetime

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from assets_defs.schedules import schedule_name
from pipelines.config.schedule import Schedule

DEFINITIONS = "assets_defs.definitions"


def miss_ticks(instance: dg.DagsterInstance, schedule: Schedule, since: datetime) -> None:
    """Record that the schedule is running and that its ticks since then were not evaluated."""
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name=DEFINITIONS), location_name=DEFINITIONS
    )
    repository = RemoteRepositoryOrigin(location, "__repository__")
    state = InstigatorState(
        RemoteInstigatorOrigin(repository, schedule_name(schedule)),
        InstigatorType.SCHEDULE,
        InstigatorStatus.DECLARED_IN_CODE,
        ScheduleInstigatorData(schedule.cron, since.timestamp()),
    )
    instance.add_instigator_state(state)
