"""The command `forget`: everything that is kept of an integration, removed."""

import os
import shutil
from pathlib import Path

import click

from assets_defs.cli.options import config_option, data_dir_option, errors_in_words, set_environment
from assets_defs.runs.instance import open_instance
from assets_defs.runs.stale import require_no_remote_run
from pipelines.config.environment import CONFIG_VARIABLE, home
from pipelines.errors import InventoryError, SettingsError
from pipelines.extract.discovery import resolved_settings
from pipelines.extract.pull import checkpoint_folder
from pipelines.publish.publisher import rebuild_file, remove_own_file
from pipelines.storage.locks import hold, locked, release
from pipelines.workspace import (
    history,
    publication_lock,
    published_file,
    run_lock,
    scratch,
    staged_files,
)


@click.command()
@click.argument("name")
@config_option
@data_dir_option
@click.option("--yes", is_flag=True, help="Do not ask")
def forget(name: str, config: Path | None, data_dir: str | None, *, yes: bool) -> None:
    """Remove integration NAME, which is no longer in the settings, with all its history."""
    with errors_in_words():
        set_environment(config, data_dir)
        _check(name)
        count = len(history().snapshot_ids(name))
        if not yes:
            _ask(f"Remove {name!r} with {count} snapshots from {history().location}?")
        hold(run_lock(name), f"a run of integration {name!r}")
        with open_instance() as instance:
            require_no_remote_run(instance, name)
        _remove(name)
        release(run_lock(name))
        click.echo(f"{name}: removed; DuckDB file: {published_file()}")


def _ask(question: str) -> None:
    try:
        is_wanted = click.confirm(question)
    except click.Abort:
        raise InventoryError("nobody answered, so nothing was removed; --yes asks nobody") from None
    if not is_wanted:
        raise click.Abort


def _check(name: str) -> None:
    if name in {each.name for each in resolved_settings().integration}:
        source = os.environ.get(CONFIG_VARIABLE) or "the environment; name a file with --config"
        raise SettingsError(
            f"integration {name!r} is in the settings ({source}), so it would be pulled again; "
            "remove it there first"
        )
    spooled = [path.name for path in checkpoint_folder(home(), "").glob("*")]
    known = {*history().integrations(), *staged_files(), *spooled}
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise SettingsError(f"nothing is kept of an integration {name!r}; there are: {names}")


def _remove(name: str) -> None:
    """Remove its own file, its history, what the file over all says of it, then the rest.

    The rest comes last, so that after a crash the name is still known, and can be forgotten again.
    """
    with locked(publication_lock(name)):
        # By what is left of its history it is known also on a machine that never ran it.
        remove_own_file(name)
        history().drop_integration(name)
    rebuild_file()
    for path in staged_files().get(name, []):
        path.unlink()
    for folder in (checkpoint_folder(home(), name), scratch(name)):
        shutil.rmtree(folder, ignore_errors=True)
