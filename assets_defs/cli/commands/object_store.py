"""The commands `fetch` and `combine`, for an inventory in an object store."""

import click

from assets_defs.cli.options import pass_data_dir, pass_workspace
from pipelines.errors import SettingsError
from pipelines.publish.access import fetch_file
from pipelines.workspace import Workspace


@click.command()
@click.argument("name", required=False)
@pass_data_dir
def fetch(workspace: Workspace, name: str | None) -> None:
    """Download the DuckDB file of integration NAME, or of all, from an object store.

    Prints the path of the file. A file that is still current is not downloaded again.
    """
    _require_object_store(workspace)
    click.echo(fetch_file(workspace, name))


@click.command()
@pass_workspace
def combine(workspace: Workspace) -> None:
    """Combine what each integration published to an object store into one file.

    Schedules and `run` also do it.
    """
    # It loads pyarrow, which `fetch` does not need.
    from pipelines.publish.publisher import combine as combine_files  # noqa: PLC0415

    _require_object_store(workspace)
    combine_files(workspace)
    click.echo(workspace.uri(workspace.inventory_file()))


def _require_object_store(workspace: Workspace) -> None:
    """Raise unless the inventory is in an object store.

    Raises:
        SettingsError: it is in a directory.
    """
    if workspace.url is None:
        raise SettingsError(
            "the inventory is in a directory of this machine already: "
            f"{workspace.inventory_file()}; for one in an object store give its address, for "
            "example --data-dir s3://bucket/prefix"
        )
