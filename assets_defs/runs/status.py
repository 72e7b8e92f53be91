"""The applied integrations, each with its runs and what it published last."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster import RunRecord, RunsFilter

from assets_defs.asset_keys import AssetKeys
from assets_defs.partitions import PARTITION_TAG
from assets_defs.runs.failures import failure_message
from assets_defs.runs.freshness import is_late
from assets_defs.runs.ownership import OwnRuns
from assets_defs.runs.scheduling import find_obstacles
from assets_defs.runs.stale import UNFINISHED_STATUSES
from assets_defs.runs.ticks import next_tick
from pipelines.config.integration import Integration
from pipelines.extract.estimate import LESS_CALLS
from pipelines.history.manifest import Manifest
from pipelines.schema.graph import SYSTEM_BINDINGS, USER_BINDINGS, USER_GROUP_BINDINGS
from pipelines.workspace import Workspace

# A run logs few lines between its events, so its last line is among so many records.
LAST_RECORDS = 50
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


@dataclass(frozen=True)
class Run:
    """One run of an integration.

    Attributes:
        run_id: Dagster's id.
        result: Dagster's status, in lower case.
        started_at: start of the work; the time of the request for a run that waits.
        seconds: duration; None until the run ends.
        words: cause of the failure, or the progress of a run that works; may be empty.
    """

    run_id: str
    result: str
    started_at: datetime
    seconds: float | None
    words: str


@dataclass(frozen=True)
class IntegrationStatus:
    """One applied integration.

    Attributes:
        name: the integration.
        type: the product pulled.
        scope: `cloud` or `on_premise`.
        description: free text of the settings.
        enabled: True if the schedule runs it.
        late: True after two ticks of its schedule without a success since it is enabled.
        current_run: the run that waits or works now.
        last_run: the newest run that has ended.
        last_success_at: end of the pull that is published.
        assets: number of rows of each asset table that is published.
        changes: rows of `changes` of the snapshot that is published.
        next_run_at: next start by the schedule; None for an integration that does not run by it.
        not_scheduled: why an enabled integration does not run by its schedule; empty if it does.
        calls: calls of the pull that is published.
        direct_calls: about how many of them read bindings of users and user groups to single
            devices.
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
    not_scheduled: str
    calls: int | None
    direct_calls: int | None


def read_statuses(
    instance: dg.DagsterInstance,
    workspace: Workspace,
    integrations: Sequence[Integration],
    enabled_since: Mapping[str, datetime],
    ending_run_id: str = "",
) -> list[IntegrationStatus]:
    """Read the status of integrations from Dagster's instance and the history.

    Args:
        instance: the source of truth for runs.
        workspace: where the inventory is.
        integrations: the integrations to read.
        enabled_since: start of each enabled integration, as `freshness.enabled_since` returns it.
        ending_run_id: run that has published and is about to end; shown as a success.

    Raises:
        InventoryError: the history cannot be read.
    """
    latest = workspace.open_history().latest_by_integration([one.name for one in integrations])
    keys = AssetKeys(workspace.prefix)
    runs = OwnRuns(instance, keys)
    record = instance.get_run_record_by_id(ending_run_id) if ending_run_id else None
    ending_name = record.dagster_run.tags.get(PARTITION_TAG) if record else None
    obstacles = find_obstacles(instance, workspace, {one.schedule for one in integrations})
    return [
        _status(
            one,
            latest[one.name],
            enabled_since.get(one.name),
            obstacles[one.schedule] if one.enabled else "",
            _read_runs(runs, one.name, workspace.root, record if one.name == ending_name else None),
        )
        for one in integrations
    ]


def _status(
    integration: Integration,
    published: Manifest | None,
    enabled_since: datetime | None,
    not_scheduled: str,
    runs: tuple[Run | None, Run | None],
) -> IntegrationStatus:
    now, (current, last) = datetime.now(UTC), runs
    success = published.pull.finished_at if published else None
    return IntegrationStatus(
        name=integration.name,
        type=integration.type,
        scope=integration.scope,
        description=integration.description,
        enabled=integration.enabled,
        late=is_late(integration, success, enabled_since, now),
        current_run=current,
        last_run=last,
        last_success_at=success,
        assets={table: published.rows[table] for table in ASSETS} if published else {},
        changes=published.rows.get("changes") if published else None,
        next_run_at=next_tick(integration.schedule, now)
        if integration.enabled and not not_scheduled
        else None,
        not_scheduled=not_scheduled,
        calls=published.pull.api_calls if published else None,
        direct_calls=_count_direct_calls(published) if published else None,
    )


def _count_direct_calls(published: Manifest) -> int:
    """Return the number of lists of direct bindings; nearly all of them take one call."""
    pull, rows = published.pull, published.rows
    lists = rows["user_groups"] if USER_GROUP_BINDINGS in pull.endpoints else 0
    if USER_BINDINGS in pull.endpoints:
        return lists + rows["users"]
    if SYSTEM_BINDINGS not in pull.endpoints:
        return lists
    is_limited = pull.report_at and published.integration.direct_bindings == "report"
    return lists + rows["user_system_bindings" if is_limited else "systems"]


def describe_cost(status: IntegrationStatus) -> str:
    """Return a note if direct bindings take at least half of the calls, or ""."""
    calls, direct = status.calls or 0, status.direct_calls or 0
    if not direct or 2 * direct < calls:
        return ""
    return (
        f"{status.name}: about {min(direct, calls):,} of {calls:,} calls of the last pull read "
        f"bindings to single devices; {LESS_CALLS}"
    )


def _read_runs(
    runs: OwnRuns, integration: str, root: Path, ending: RunRecord | None
) -> tuple[Run | None, Run | None]:
    """Return the run that waits or works now, and the newest run that has ended."""
    unfinished = _newest(runs, integration, UNFINISHED_STATUSES)
    if ending and unfinished and unfinished.dagster_run.run_id == ending.dagster_run.run_id:
        unfinished = None
    current = _run(unfinished, _progress(runs.instance, unfinished)) if unfinished else None
    if ending:
        run = _run(ending, "")
        seconds = (datetime.now(UTC) - run.started_at).total_seconds()
        return current, replace(run, result="success", seconds=seconds)
    ended = _newest(runs, integration, set(dg.DagsterRunStatus).difference(UNFINISHED_STATUSES))
    message = failure_message(runs.instance, ended.dagster_run, root) if ended else ""
    return current, _run(ended, message) if ended else None


def _newest(
    runs: OwnRuns, integration: str, statuses: Iterable[dg.DagsterRunStatus]
) -> RunRecord | None:
    chosen = RunsFilter(tags={PARTITION_TAG: integration}, statuses=list(statuses))
    return next(runs.records(chosen), None)


def _run(record: RunRecord, message: str) -> Run:
    start, end = record.start_time, record.end_time
    return Run(
        run_id=record.dagster_run.run_id,
        result=record.dagster_run.status.value.lower(),
        started_at=datetime.fromtimestamp(start, UTC) if start else record.create_timestamp,
        seconds=end - start if start and end else None,
        words=message,
    )


def _progress(instance: dg.DagsterInstance, record: RunRecord) -> str:
    """Return the newest line that the run itself logged."""
    records = instance.get_records_for_run(
        record.dagster_run.run_id, limit=LAST_RECORDS, ascending=False
    ).records
    entries = (record.event_log_entry for record in records)
    return next((entry.user_message for entry in entries if not entry.is_dagster_event), "")


def status_row(status: IntegrationStatus) -> tuple[str, ...]:
    """Return the cells of a table for people, under `COLUMNS`; times are UTC."""
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
        f"not scheduled: {status.not_scheduled}"
        if status.not_scheduled
        else _time(status.next_run_at),
    )


def _switch(status: IntegrationStatus) -> str:
    if not status.enabled:
        return "disabled"
    return "enabled, late" if status.late else "enabled"


def _ended(run: Run) -> str:
    duration = "" if run.seconds is None else f" in {run.seconds:.0f} s"
    return f"{_time(run.started_at)} {run.result}{duration}"


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


def _time(time: datetime | None) -> str:
    if time is None:
        return ""
    is_old = datetime.now(UTC) - time > OLD
    return time.astimezone(UTC).strftime("%d %b %Y" if is_old else "%d %b %H:%M")
