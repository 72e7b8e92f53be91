"""Evaluate a sensor as the daemon does."""

import dagster as dg

from assets_defs.sensors import build_sensors
from pipelines.workspace import Workspace


def evaluate_sensor(
    name: str,
    workspace: Workspace,
    instance: dg.DagsterInstance,
    cursor: str | None,
    definitions: dg.Definitions | None = None,
) -> tuple[str, str | None]:
    """Evaluate a sensor once; return its skip message and its cursor."""
    context = dg.build_sensor_context(
        instance=instance,
        cursor=cursor,
        definitions=definitions,
    )
    (sensor,) = (one for one in build_sensors(workspace, is_scheduled=True) if one.name == name)
    data = sensor.evaluate_tick(context)
    return data.skip_message or "", data.cursor
