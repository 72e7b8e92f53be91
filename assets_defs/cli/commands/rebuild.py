"""The command `rebuild`: build the DuckDB file again from the history."""

import click

from assets_defs.cli.options import pass_workspace
from pipelines.errors import InventoryError
from pipelines.publish.publisher import rebuild_file
from pipelines.workspace import Workspace


@click.command()
@pass_workspace
def rebuild(workspace: Workspace) -> None:
    """Build the DuckDB file and its report again from the history."""
    history = workspace.open_history()
    if not history.snapshots():
        raise InventoryError(f"{history.location}: there is no snapshot to rebuild from")
    workspace.prepare()
    rebuild_file(workspace)
    click.echo(
        f"DuckDB file: {workspace.inventory_file()}\nReport: {workspace.report_file()}\n"
        f"Page: {workspace.page_file()}"
    )
