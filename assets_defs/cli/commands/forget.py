"""The command `forget`: remove all data of an integration."""

import shutil

import click

from assets_defs.asset_keys import AssetKeys
from assets_defs.cli.options import pass_workspace
from assets_defs.runs.instance import open_instance, prepare_instance
from assets_defs.runs.ownership import OwnRuns
from assets_defs.runs.stale import require_no_remote_run
from pipelines.errors import InventoryError, SettingsError
from pipelines.extract.discovery import resolved_settings
from pipelines.publish.publisher import rebuild_file, remove_own_file
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Skip the prompt")
@pass_workspace
def forget(workspace: Workspace, name: str, *, yes: bool) -> None:
    """Remove integration NAME, which is no longer in the settings, with all its history."""
    _check(workspace, name)
    prepare_instance(workspace)
    history = workspace.open_history()
    if not yes:
        count = len(history.snapshot_ids(name))
        confirm(f"Remove {name!r} with {count} snapshots from {history.location}?")
    with locked(workspace.run_lock(name), f"a run of integration {name!r}"):
        with open_instance(workspace) as instance:
            require_no_remote_run(OwnRuns(instance, AssetKeys(workspace.prefix)), name)
        _remove(workspace, name)
    click.echo(f"{name}: removed; DuckDB file: {workspace.inventory_file()}")


def confirm(question: str) -> None:
    """Ask before something is removed.

    Raises:
        InventoryError: nobody can answer.
        click.Abort: the answer is no.
    """
    try:
        confirmed = click.confirm(question)
    except click.Abort:
        raise InventoryError("no answer, nothing removed; use --yes to skip the prompt") from None
    if not confirmed:
        raise click.Abort


def _check(workspace: Workspace, name: str) -> None:
    if name in {integration.name for integration in resolved_settings(workspace).integration}:
        source = workspace.config or "the environment; name a file with --config"
        raise SettingsError(
            f"integration {name!r} is in the settings ({source}), so it would be pulled again; "
            "remove it there first"
        )
    checkpoints = [path.name for path in workspace.checkpoint_folder().glob("*")]
    known = {*workspace.open_history().integrations(), *workspace.staging.files(), *checkpoints}
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise SettingsError(f"nothing is kept of an integration {name!r}; there are: {names}")


def _remove(workspace: Workspace, name: str) -> None:
    """Remove the integration's own file, its history, its rows in the file of all, then the rest.

    The rest comes last: after a crash the name is still known, so the command can be repeated.
    """
    with locked(workspace.publication_lock(name)):
        workspace.removal_file(name).remove()
        # The history goes last: it makes the name known on machines that never ran it.
        remove_own_file(workspace, name)
        workspace.open_reviews().drop(name)
        workspace.open_history().drop_integration(name)
    rebuild_file(workspace)
    remove_staged(workspace, name)


def remove_staged(workspace: Workspace, name: str) -> None:
    """Remove the temporary files of an integration's runs."""
    for path in workspace.staging.files().get(name, []):
        path.unlink()
    for folder in (workspace.checkpoint_folder(name), workspace.scratch(name)):
        shutil.rmtree(folder, ignore_errors=True)
