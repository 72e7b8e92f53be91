"""The commands for an inventory in an object store: `combine` it, and `fetch` it."""

import click

from assets_defs.cli.options import data_dir_option, errors_in_words, set_data_dir
from pipelines.errors import SettingsError
from pipelines.publish.publisher import combine as renew_combined
from pipelines.publish.publisher import fetch_file
from pipelines.workspace import object_store, published_file, published_uri


@click.command()
@click.argument("name", required=False)
@data_dir_option
def fetch(name: str | None, data_dir: str | None) -> None:
    """Bring the DuckDB file of integration NAME, or of all, here from an object store.

    Prints where it is. A file that is here already and the same is not sent again.
    """
    with errors_in_words():
        set_data_dir(data_dir)
        _require_store()
        click.echo(fetch_file(name))


@click.command()
@data_dir_option
def combine(data_dir: str | None) -> None:
    """Put what each integration has published to an object store into the file over all.

    The schedules do it too, and `run` at its end.
    """
    with errors_in_words():
        set_data_dir(data_dir)
        _require_store()
        renew_combined()
        click.echo(published_uri(published_file()))


def _require_store() -> None:
    if object_store() is None:
        raise SettingsError(
            f"the inventory is in a directory of this machine already: {published_file()}; "
            "for one in an object store give its address, as --data-dir s3://bucket/prefix"
        )
