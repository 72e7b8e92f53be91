"""The command `status`: show the applied integrations."""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime

import click
from rich.console import Console
from rich.table import Table

from assets_defs.cli.commands.sql import expanded_rows
from assets_defs.cli.options import pass_workspace, print_shared_home
from assets_defs.runs.freshness import enabled_since
from assets_defs.runs.instance import open_existing_instance
from assets_defs.runs.status import (
    COLUMNS,
    IntegrationStatus,
    describe_cost,
    read_statuses,
    status_row,
)
from pipelines.errors import InventoryError
from pipelines.extract.discovery import resolved_settings
from pipelines.publish.notes import describe_shared_organizations, describe_unconfigured
from pipelines.workspace import Workspace

WIDE = 240  # without a terminal, no line is wrapped


@click.command()
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print all fields as JSON")
@pass_workspace
def status(workspace: Workspace, names: Sequence[str], *, as_json: bool) -> None:
    """Show integrations: those NAMED, or all; their runs, and what they published last."""
    print_shared_home(workspace)
    settings = resolved_settings(workspace)
    chosen = [settings.named(name) for name in names] or settings.integration
    with open_existing_instance(workspace) as instance:
        since = enabled_since(instance, workspace, settings.integration)
        statuses = read_statuses(instance, workspace, chosen, since)
    if as_json:
        documents = [asdict(one) for one in statuses]
        click.echo(json.dumps(documents, indent=1, default=_as_text))
    else:
        _print(statuses)
        for cost in filter(None, map(describe_cost, statuses)):
            click.echo(cost)
        for one in statuses:
            failed = one.last_run is not None and one.last_run.words
            if failed and workspace.removal_file(one.name).read("accepted"):
                click.echo(f"{one.name}: the removal is accepted; the next run publishes it")
    for line in (*_other_places(workspace), *describe_unconfigured(workspace)):
        click.echo(line, err=True)
    with suppress(InventoryError):  # the published file cannot be read, which `sql` explains
        for line in describe_shared_organizations(workspace):
            click.echo(line, err=True)


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    raise TypeError(type(value))


def _print(statuses: Sequence[IntegrationStatus]) -> None:
    table = Table(caption="Times are UTC.", caption_justify="left")
    for column in COLUMNS:
        table.add_column(column)
    rows = [status_row(one) for one in statuses]
    for row in rows:
        table.add_row(*row)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDE
    if console.measure(table, options=console.options.update_width(WIDE)).maximum <= console.width:
        console.print(table)
    else:
        for line in expanded_rows(COLUMNS, rows, console.width):
            console.print(line, soft_wrap=True)
        console.print(table.caption)
    for one in statuses:
        if one.last_run and one.last_run.words:
            console.print(f"{one.name}: {one.last_run.words}", soft_wrap=True)


def _other_places(workspace: Workspace) -> Iterator[str]:
    """Yield hints to the integrations of other settings files, if none was named."""
    if workspace.config is not None:
        return
    for other in (workspace, workspace.demo()):
        settings = other.local_settings
        if settings.exists():
            yield (
                "no settings file is named, so this is the integration of the environment; those "
                f"of {settings}: status --data-dir {other.root} --config {settings}"
            )
