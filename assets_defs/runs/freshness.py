"""Which integrations are late: enabled, and without a success for too long."""

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
    """When each enabled integration was first seen enabled, as noted in Dagster's instance.

    Whoever looks notes what is new, so that all who look agree. What was enabled when nobody had
    looked yet counts as enabled long ago.

    Args:
        instance: keeps the notes.
        integrations: all that are applied; who is not among them, or disabled, is forgotten.
    """
    storage = instance.daemon_cursor_storage
    noted = storage.get_cursor_values({KEY}).get(KEY)
    known: dict[str, str] = json.loads(noted) if noted else {}
    new = (datetime.now(UTC) if noted else LONG_AGO).isoformat()
    since = {each.name: known.get(each.name, new) for each in integrations if each.enabled}
    if not noted or since != known:
        storage.set_cursor_values({KEY: json.dumps(since)})
    return {name: datetime.fromisoformat(time) for name, time in since.items()}


def is_late(
    integration: Integration, last_success_at: datetime, enabled: datetime | None, now: datetime
) -> bool:
    """Whether two ticks passed since an integration's last success and since it is enabled.

    At every 12 hours, that is up to 25 hours ago. What never succeeded is told when its runs fail.

    Args:
        integration: whose schedule counts.
        last_success_at: end of the pull that is published.
        enabled: since when; None where it is disabled.
        now: the time of the question.
    """
    if enabled is None:
        return False
    schedule = integration.schedule
    second_tick = schedule.next_after(schedule.next_after(max(last_success_at, enabled)))
    return now > second_tick + GRACE
