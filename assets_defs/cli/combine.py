"""The command `combine`: one file of all integrations in an object store."""

import click

from assets_defs.cli.fetch import require_object_store
from assets_defs.cli.options import pass_data_dir
from pipelines.publish.publisher import combine as combine_files
from pipelines.workspace import Workspace


@click.command()
@pass_data_dir
def combine(workspace: Workspace) -> None:
    """Combine what each integration published to an object store into one file.

    The schedules do it too, and `run` at its end.
    """
    require_object_store(workspace)
    combine_files(workspace)
    click.echo(workspace.uri(workspace.inventory_file()))
