"""The command `combine`: combine the files of all integrations in an object store."""

import click

from assets_defs.cli.fetch import require_object_store
from assets_defs.cli.options import pass_workspace
from pipelines.publish.publisher import combine as combine_files
from pipelines.workspace import Workspace


@click.command()
@pass_workspace
def combine(workspace: Workspace) -> None:
    """Combine what each integration published to an object store into one file.

    Schedules and `run` also do it.
    """
    require_object_store(workspace)
    combine_files(workspace)
    click.echo(workspace.uri(workspace.inventory_file()))
