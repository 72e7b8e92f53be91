"""Find late integrations: enabled, and without a success for too long."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from pipelines.config.integration import Integration

GRACE = timedelta(hours=1)
KEY = "jumpcloud_inventory/enabled_since"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def enabled_since(
    instance: dg.DagsterInstance, integrations: Sequence[Integration]
) -> dict[str, datetime]:
    """Return the time since when each integration is enabled, as recorded in Dagster's instance.

    Each call records the integrations that became enabled since the last one. Those that are
    enabled at the very first call count as enabled long ago.

    Args:
        instance: keeps the record.
        integrations: all that are applied; the record of others, and of disabled ones, is deleted.
    """
    storage = instance.daemon_cursor_storage
    recorded = storage.get_cursor_values({KEY}).get(KEY)
    known: dict[str, str] = json.loads(recorded) if recorded else {}
    new = (datetime.now(UTC) if recorded else LONG_AGO).isoformat()
    since = {one.name: known.get(one.name, new) for one in integrations if one.enabled}
    if not recorded or since != known:
        storage.set_cursor_values({KEY: json.dumps(since)})
    return {name: datetime.fromisoformat(time) for name, time in since.items()}


def is_late(
    integration: Integration, last_success_at: datetime, enabled: datetime | None, now: datetime
) -> bool:
    """Return True if two ticks passed since the last success, and since it is enabled.

    With the default schedule, that takes up to 25 hours. An integration that never succeeded is
    not late: the alert of its failed runs covers it.

    Args:
        integration: has the schedule.
        last_success_at: end of the pull that is published.
        enabled: time since when it is enabled; None for a disabled integration.
        now: the current time.
    """
    if enabled is None:
        return False
    schedule = integration.schedule
    second_tick = schedule.next_after(schedule.next_after(max(last_success_at, enabled)))
    return now > second_tick + GRACE
