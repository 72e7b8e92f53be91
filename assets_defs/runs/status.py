"""The applied integrations, each with its runs and what it last published."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from assets_defs.runs.freshness import is_late
from assets_defs.runs.history import Run, current_run, last_run
from pipelines.config.integration import Integration
from pipelines.history.manifest import Manifest
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class IntegrationStatus:
    """One applied integration.

    Attributes:
        name: the integration.
        type: the product pulled.
        scope: `cloud` or `on_premise`.
        description: free text of the settings.
        enabled: whether the schedule runs it.
        late: whether two ticks of its schedule brought no success since it is enabled.
        current_run: the run that waits or works now.
        last_run: the newest run that has ended.
        last_success_at: end of the pull that is published.
        assets: number of rows of each asset table that is published.
        changes: rows of `changes` of the snapshot that is published.
        next_run_at: when the schedule starts it next; None where it does not.
    """

    name: str
    type: str
    scope: str
    description: str
    enabled: bool
    late: bool
    current_run: Run | None
    last_run: Run | None
    last_success_at: datetime | None
    assets: dict[str, int]
    changes: int | None
    next_run_at: datetime | None


def read_statuses(
    instance: dg.DagsterInstance,
    workspace: Workspace,
    integrations: Sequence[Integration],
    enabled_since: Mapping[str, datetime],
) -> list[IntegrationStatus]:
    """What Dagster's instance and the history say of integrations now.

    Raises:
        InventoryError: the history cannot be read.
    """
    latest = workspace.open_history().latest_by_integration([each.name for each in integrations])
    return [
        _read_status(instance, workspace, each, latest[each.name], enabled_since.get(each.name))
        for each in integrations
    ]


def _read_status(
    instance: dg.DagsterInstance,
    workspace: Workspace,
    integration: Integration,
    published: Manifest | None,
    enabled_since: datetime | None,
) -> IntegrationStatus:
    enabled, now = integration.enabled, datetime.now(UTC)
    last_success_at = published.pull.finished_at if published else None
    return IntegrationStatus(
        name=integration.name,
        type=integration.type,
        scope=integration.scope,
        description=integration.description,
        enabled=enabled,
        late=last_success_at is not None
        and is_late(integration, last_success_at, enabled_since, now),
        current_run=current_run(instance, integration.name),
        last_run=last_run(instance, integration.name, workspace.root),
        last_success_at=last_success_at,
        assets={name: published.rows[name] for name in ASSETS} if published else {},
        changes=published.rows.get("changes") if published else None,
        next_run_at=integration.schedule.next_after(now) if enabled else None,
    )


OLD = timedelta(days=300)
ASSETS = ("systems", "users", "applications", "ipv4_addresses")
COLUMNS = (
    "integration",
    "type",
    "state",
    "last run",
    "last success",
    *("systems", "users", "apps", "IPv4"),
    "changes",
    "next run",
)


def status_rows(statuses: Sequence[IntegrationStatus]) -> list[tuple[str, ...]]:
    """The cells of a table for people, under `COLUMNS`; times are UTC."""
    return [_cells(each) for each in statuses]


def _cells(status: IntegrationStatus) -> tuple[str, ...]:
    last, current = status.last_run, status.current_run
    state = f"{current.result} {current.words}".strip() if current else ""
    return (
        status.name,
        f"{status.type} {status.scope}",
        state or _switch(status),
        _ended(last) if last else "never",
        _time(status.last_success_at),
        *(_count(status.assets.get(name)) for name in ASSETS),
        _count(status.changes),
        _time(status.next_run_at),
    )


def _switch(status: IntegrationStatus) -> str:
    if not status.enabled:
        return "disabled"
    return "enabled, late" if status.late else "enabled"


def _ended(run: Run) -> str:
    took = "" if run.seconds is None else f" in {run.seconds:.0f} s"
    return f"{_time(run.started_at)} {run.result}{took}"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _time(time: datetime | None) -> str:
    if time is None:
        return ""
    is_old = datetime.now(UTC) - time > OLD
    return time.astimezone(UTC).strftime("%d %b %Y" if is_old else "%d %b %H:%M")
