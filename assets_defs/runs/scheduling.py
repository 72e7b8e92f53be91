"""Find out whether schedules run: the daemon works, and their sensor is switched on."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets_defs.asset_keys import AssetKeys
from assets_defs.runs.instance import is_own_instance
from pipelines.config.schedule import Schedule
from pipelines.workspace import Workspace

REFRESH_SENSOR = "refresh_due_integrations"
# A daemon that works records one every 30 seconds.
MAX_HEARTBEAT_AGE = timedelta(minutes=3)


def find_obstacles(
    instance: dg.DagsterInstance, workspace: Workspace, schedules: Collection[Schedule]
) -> dict[Schedule, str]:
    """Return why schedules do not run; empty for one that does."""
    keys = AssetKeys(workspace.prefix)
    heartbeat = instance.get_daemon_heartbeats().get("SENSOR")
    oldest = datetime.now(UTC) - MAX_HEARTBEAT_AGE
    if heartbeat is None or heartbeat.timestamp < oldest.timestamp():
        return dict.fromkeys(schedules, "no daemon")
    sensor = keys.name(REFRESH_SENSOR)
    if not is_own_instance(instance, workspace) and _switches(instance).get(sensor) != "RUNNING":
        return dict.fromkeys(schedules, f"not switched on; switch on the sensor {sensor} in the UI")
    off = find_switched_off(instance, keys, schedules)
    return {time: "switched off in the UI" if time in off else "" for time in schedules}


def find_switched_off(
    instance: dg.DagsterInstance, keys: AssetKeys, schedules: Collection[Schedule]
) -> set[Schedule]:
    """Return the schedules that were switched off in the UI.

    In version 0.1, Dagster had a schedule for each time. One that was switched off stays so
    until somebody switches the sensor off and on.
    """
    states = _switches(instance)
    status = states.get(keys.name(REFRESH_SENSOR))
    if status == "STOPPED":
        return set(schedules)
    if status == "RUNNING":  # switched on by hand, not by default
        return set()
    return {time for time in schedules if states.get(_former_name(time)) == "STOPPED"}


def _switches(instance: dg.DagsterInstance) -> dict[str, str]:
    return {one.instigator_name: one.status.value for one in instance.all_instigator_state()}


def _former_name(time: Schedule) -> str:
    if time == Schedule():
        return "refresh_every_12_hours"
    name = f"refresh {time.cron} {time.timezone}".replace("*", "x")
    return "".join(letter if letter.isalnum() else "_" for letter in name)
