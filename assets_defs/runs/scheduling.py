"""Find out whether schedules run: the daemon works, and nobody switched them off in the UI."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets_defs.asset_keys import AssetKeys
from pipelines.config.schedule import Schedule

REFRESH_SENSOR = "refresh_due_integrations"
# A daemon that works records one every 30 seconds.
MAX_HEARTBEAT_AGE = timedelta(minutes=3)


def find_obstacles(
    instance: dg.DagsterInstance, keys: AssetKeys, schedules: Collection[Schedule]
) -> dict[Schedule, str]:
    """Return why schedules do not run; empty for one that does."""
    heartbeat = instance.get_daemon_heartbeats().get("SENSOR")
    oldest = datetime.now(UTC) - MAX_HEARTBEAT_AGE
    if heartbeat is None or heartbeat.timestamp < oldest.timestamp():
        return dict.fromkeys(schedules, "no daemon")
    off = find_switched_off(instance, keys, schedules)
    return {time: "switched off in the UI" if time in off else "" for time in schedules}


def find_switched_off(
    instance: dg.DagsterInstance, keys: AssetKeys, schedules: Collection[Schedule]
) -> set[Schedule]:
    """Return the schedules that were switched off in the UI.

    In version 0.1, Dagster had a schedule for each time. One that was switched off stays so
    until somebody switches the sensor off and on.
    """
    states = {one.instigator_name: one.status.value for one in instance.all_instigator_state()}
    status = states.get(keys.name(REFRESH_SENSOR))
    if status == "STOPPED":
        return set(schedules)
    if status == "RUNNING":  # switched on by hand, not by default
        return set()
    return {time for time in schedules if states.get(_former_name(time)) == "STOPPED"}


def _former_name(time: Schedule) -> str:
    if time == Schedule():
        return "refresh_every_12_hours"
    name = f"refresh {time.cron} {time.timezone}".replace("*", "x")
    return "".join(letter if letter.isalnum() else "_" for letter in name)
