"""Alerts after a successful run, and a record in Dagster's instance."""

import json
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import dagster as dg

from assets_defs.asset_keys import AssetKeys
from pipelines.alerts.alert import Alert, findings_alert
from pipelines.alerts.send import Outcomes, describe, is_sent, send_to
from pipelines.config.alerts import AlertTarget
from pipelines.config.settings import ALERT_WEBHOOK
from pipelines.errors import InventoryError
from pipelines.findings.opened import latest_times, read_opened
from pipelines.publish.access import fetch_file
from pipelines.publish.reader import open_bounded
from pipelines.workspace import Workspace

KEY = "jumpcloud_inventory/alerted"


class AlertRecord:
    """What the targets got about an integration. All machines of a cluster share it.

    Args:
        instance: keeps the record.
        workspace: where the inventory is.
        integration: name of the integration.
    """

    def __init__(
        self, instance: dg.DagsterInstance, workspace: Workspace, integration: str
    ) -> None:
        self._storage = instance.daemon_cursor_storage
        self._key = f"{AssetKeys(workspace.prefix).name(KEY)}/{integration}"

    def failed(self) -> Collection[str]:
        """Return the names of the targets that got a failure, and no recovery since."""
        return self._read("failed").keys()

    def add_failed(self, outcomes: Outcomes) -> None:
        """Record the targets that got a failure."""
        names = (name for name, outcome in outcomes.items() if is_sent(outcome))
        # That webhook gets what it got before there were recoveries.
        self._update("failed", add={name: "" for name in names if name != ALERT_WEBHOOK})

    def remove_failed(self, names: Collection[str]) -> None:
        """Record the targets that got the recovery."""
        self._update("failed", remove=names)

    def seen(self) -> Mapping[str, datetime]:
        """Return the start of the last pull with findings that each target knows."""
        return {name: datetime.fromisoformat(at) for name, at in self._read("seen").items()}

    def set_seen(self, name: str, at: datetime) -> None:
        """Record the start of the last pull with findings that a target knows."""
        self._update("seen", add={name: at.isoformat()})

    def _read(self, part: str) -> dict[str, str]:
        key = f"{self._key}/{part}"
        found: dict[str, str] = json.loads(self._storage.get_cursor_values({key}).get(key) or "{}")
        return found

    def _update(
        self, part: str, add: Mapping[str, str] | None = None, remove: Collection[str] = ()
    ) -> None:
        old = self._read(part)
        new = {name: value for name, value in old.items() if name not in remove}
        new.update(add or {})
        if new != old:
            self._storage.set_cursor_values({f"{self._key}/{part}": json.dumps(new)})


def send_success(
    instance: dg.DagsterInstance, workspace: Workspace, integration: str, run_ids: Collection[str]
) -> str:
    """Send that an integration works again, and its findings that opened, to those who want it.

    Never raises for a reason outside: an alert that cannot be sent must not stop anything.

    Args:
        instance: keeps the record.
        workspace: where the inventory is.
        integration: name of the integration.
        run_ids: the successful run, and the one that it repeats.

    Returns:
        The outcome; empty if there was nothing to send.
    """
    try:
        targets = workspace.settings().alert
        record = AlertRecord(instance, workspace, integration)
        latest = workspace.open_history().latest(integration) if targets else None
        if latest is None or latest.run_id not in run_ids:
            return ""
        recovered = _send_recovery(record, targets, workspace, integration)
        opened = _send_opened(record, targets, workspace, integration)
    except InventoryError as error:
        return f"not sent: {error}"
    return "; ".join(describe(outcomes) for outcomes in (recovered, opened) if outcomes)


def _send_recovery(
    record: AlertRecord, targets: Sequence[AlertTarget], workspace: Workspace, integration: str
) -> Outcomes:
    waiting = record.failed()
    alert = Alert(integration, "recovered", "a run has published the inventory", "")
    outcomes = send_to((one for one in targets if one.name in waiting), alert, workspace)
    # The next success repeats it for a target that did not get it.
    record.remove_failed([name for name, outcome in outcomes.items() if is_sent(outcome)])
    return outcomes


def _send_opened(
    record: AlertRecord, targets: Sequence[AlertTarget], workspace: Workspace, integration: str
) -> Outcomes:
    """Send the findings that a target does not know yet; with the first snapshot, none."""
    wanting = [(one, one.findings) for one in targets if one.findings]
    if not wanting:
        return {}
    outcomes: dict[str, str] = {}
    seen = record.seen()
    with open_bounded(fetch_file(workspace, integration)) as connection:
        (snapshot_id, latest), *before = latest_times(connection, integration)
        for target, severity in wanting:
            after = seen.get(target.name) or (before[0][1] if before else latest)
            opened = read_opened(connection, integration, after, severity)
            if opened:
                alert = findings_alert(integration, snapshot_id, opened)
                outcomes |= send_to([target], alert, workspace)
            is_known = not opened or is_sent(outcomes[target.name])
            record.set_seen(target.name, latest if is_known else after)
    return outcomes
