"""Snapshots of the past states of a simulated organization."""

from dataclasses import replace
from datetime import datetime

import click
import duckdb

from assets_defs.asset_keys import ACCESS_DIFFERENCES, COMPLETENESS, JUMPCLOUD, PULLS
from assets_defs.assets.inventory_tables import transform_tables
from assets_defs.assets.publication import commit_pull, pull_facts
from pipelines.extract.discovery import resolve_integration
from pipelines.extract.pull import pull_organization, remove_checkpoint
from pipelines.history.commit import PulledTables
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace

RUN_ID = "simulated"


def commit_past(
    workspace: Workspace, name: str, started_at: datetime, connection: duckdb.DuckDBPyConnection
) -> None:
    """Pull an organization, and commit it as a pull that started at a past time.

    The snapshot equals that of a run at that time, without Dagster, which takes seconds for each.
    Nothing is done if the history has this snapshot or a later one.

    Args:
        workspace: where the inventory is.
        name: name of the integration.
        started_at: a time at which the organization was as it is served now.
        connection: a connection from `in_memory`; a new one for every snapshot takes longer.
    """
    history = workspace.open_history()
    latest = history.latest(name)
    if latest and latest.pull.started_at >= started_at:
        return
    click.echo(f"{name}: publishing the organization as of {started_at:%Y-%m-%d}", err=True)
    integration = resolve_integration(workspace, name)
    with locked(workspace.run_lock(name), f"a run of integration {name!r}"):
        # Lists of another state must not be resumed, neither now nor by the next pull.
        remove_checkpoint(workspace.root, name)
        pull = pull_organization(integration, workspace.root)
        remove_checkpoint(workspace.root, name)
        seconds = pull.finished_at - pull.started_at
        pull = replace(pull, started_at=started_at, finished_at=started_at + seconds)
        pulled = pull.tables | {
            COMPLETENESS: pull.completeness,
            ACCESS_DIFFERENCES: pull.differences,
            PULLS: pull.facts(),
        }
        raw = {f"{JUMPCLOUD}.{table}": rows for table, rows in pulled.items()}
        found = transform_tables(name, raw.__getitem__, connection)
        tables = {table.name: rows for table, rows, _ in found}
        facts = pull_facts(integration, pulled)
        transformed = PulledTables(facts, pull.completeness, tables.__getitem__, connection)
        commit_pull(workspace, history, integration, transformed, RUN_ID)
