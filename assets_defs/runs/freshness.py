"""Find late integrations: enabled, and without a success for too long."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets_defs.asset_keys import AssetKeys
from assets_defs.runs.ticks import next_tick
from pipelines.config.integration import Integration
from pipelines.workspace import Workspace

GRACE = timedelta(hours=1)
KEY = "jumpcloud_inventory/enabled_since"
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def enabled_since(
    instance: dg.DagsterInstance, workspace: Workspace, integrations: Sequence[Integration]
) -> dict[str, datetime]:
    """Return the time since when each integration is enabled, as recorded in Dagster's instance.

    Each call records the integrations that became enabled since the last one. Those that were
    published before the very first call count as enabled long ago.

    Args:
        instance: keeps the record.
        workspace: where the inventory is.
        integrations: all that are applied; the record of others, and of disabled ones, is deleted.

    Raises:
        InventoryError: the history cannot be read.
    """
    storage, key = instance.daemon_cursor_storage, AssetKeys(workspace.prefix).name(KEY)
    recorded = storage.get_cursor_values({key}).get(key)
    enabled = [one.name for one in integrations if one.enabled]
    if recorded:
        known: dict[str, str] = json.loads(recorded)
    else:
        latest = workspace.open_history().latest_by_integration(enabled)
        known = {name: LONG_AGO.isoformat() for name in enabled if latest[name]}
    now = datetime.now(UTC).isoformat()
    since = {name: known.get(name, now) for name in enabled}
    if not recorded or since != known:
        storage.set_cursor_values({key: json.dumps(since)})
    return {name: datetime.fromisoformat(time) for name, time in since.items()}


def is_late(
    integration: Integration,
    last_success_at: datetime | None,
    enabled: datetime | None,
    now: datetime,
) -> bool:
    """Return True if two ticks passed since the last success, and since it is enabled.

    With the default schedule, that takes up to 25 hours.

    Args:
        integration: has the schedule.
        last_success_at: end of the pull that is published; None if there is none.
        enabled: time since when it is enabled; None for a disabled integration.
        now: the current time.
    """
    if enabled is None:
        return False
    first_tick = next_tick(integration.schedule, max(last_success_at or enabled, enabled))
    return now > next_tick(integration.schedule, first_tick) + GRACE
