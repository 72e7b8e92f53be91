"""The command `accept`: let the next run publish a mass removal."""

import click

from assets_defs.cli.options import pass_data_dir
from pipelines.errors import InventoryError
from pipelines.workspace import Workspace


@click.command()
@click.argument("name")
@pass_data_dir
def accept(workspace: Workspace, name: str) -> None:
    """Let the next run publish the mass removal that stopped the last run of NAME.

    A removal that is worse by then is stopped again.
    """
    published = workspace.open_history().snapshots()
    if name not in published:
        known = ", ".join(published) or "none"
        raise InventoryError(f"no integration {name!r} was published; there are: {known}")
    removals = workspace.removal_file(name).accept()
    click.echo(f"{name}: accepted, the next run publishes it: {removals.describe()}")
