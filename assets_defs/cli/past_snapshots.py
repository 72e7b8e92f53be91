"""Snapshots of the past states of a simulated organization."""

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime

import click
import duckdb

from assets_defs.asset_keys import ACCESS_DIFFERENCES, COMPLETENESS, JUMPCLOUD, PULLS
from assets_defs.assets.inventory_tables import transform_tables
from assets_defs.assets.publication import commit_pull, pull_facts
from pipelines.config.integration import Integration
from pipelines.extract.discovery import resolve_integration
from pipelines.extract.pull import Pull, pull_organization, remove_checkpoint
from pipelines.history.commit import PulledTables
from pipelines.history.store import SnapshotStore
from pipelines.sql import in_memory
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace

RUN_ID = "simulated"


def commit_past(workspace: Workspace, name: str, times: Iterable[datetime]) -> None:
    """Pull an organization at past times, and commit each pull as one that started then.

    The snapshots equal those of runs at these times, without Dagster, which takes seconds for each.
    A pull is committed while the next one reads the API. Times are left out for which the history
    has a snapshot of the same or a later time.

    Args:
        workspace: where the inventory is.
        name: name of the integration.
        times: past times, in order; the organization is served as it was at the one taken last.
    """
    history = workspace.open_history()
    latest = history.latest(name)
    integration = resolve_integration(workspace, name)
    with (
        in_memory() as connection,
        locked(workspace.run_lock(name), f"a run of integration {name!r}"),
        ThreadPoolExecutor(1) as pool,
    ):
        commits: list[Future[None]] = []
        for started_at in times:
            if latest and latest.pull.started_at >= started_at:
                continue
            click.echo(f"{name}: publishing the organization as of {started_at:%Y-%m-%d}", err=True)
            pull = _pull_past(workspace, integration, started_at)
            for commit in commits:
                commit.result()
            commits = [pool.submit(_commit, workspace, history, integration, pull, connection)]
        for commit in commits:
            commit.result()


def _pull_past(workspace: Workspace, integration: Integration, started_at: datetime) -> Pull:
    # Lists of another state must not be resumed, neither now nor by the next pull.
    remove_checkpoint(workspace.root, integration.name)
    pull = pull_organization(integration, workspace.root)
    remove_checkpoint(workspace.root, integration.name)
    seconds = pull.finished_at - pull.started_at
    return replace(pull, started_at=started_at, finished_at=started_at + seconds)


def _commit(
    workspace: Workspace,
    history: SnapshotStore,
    integration: Integration,
    pull: Pull,
    connection: duckdb.DuckDBPyConnection,
) -> None:
    pulled = pull.tables | {
        COMPLETENESS: pull.completeness,
        ACCESS_DIFFERENCES: pull.differences,
        PULLS: pull.facts(),
    }
    raw = {f"{JUMPCLOUD}.{table}": rows for table, rows in pulled.items()}
    found = transform_tables(integration.name, raw.__getitem__, connection)
    tables = {table.name: rows for table, rows, _ in found}
    facts = pull_facts(integration, pulled)
    transformed = PulledTables(facts, pull.completeness, tables.__getitem__, connection)
    commit_pull(workspace, history, integration, transformed, RUN_ID)
