"""The command `rename`: keep the history of an integration under a new name."""

from contextlib import ExitStack

import click

from assets_defs.asset_keys import AssetKeys
from assets_defs.cli.commands.forget import confirm, remove_staged
from assets_defs.cli.options import pass_workspace
from assets_defs.partitions import add_partitions
from assets_defs.runs.instance import open_instance, prepare_instance
from assets_defs.runs.ownership import OwnRuns
from assets_defs.runs.stale import require_no_remote_run
from pipelines.errors import SettingsError
from pipelines.extract.discovery import resolved_settings
from pipelines.publish.publisher import (
    rebuild_file,
    refresh_file,
    refresh_report,
    remove_own_file,
)
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace


@click.command()
@click.argument("old")
@click.argument("new")
@click.option("--yes", is_flag=True, help="Skip the prompt")
@pass_workspace
def rename(workspace: Workspace, old: str, new: str, *, yes: bool) -> None:
    """Give the history of integration OLD to NEW, its name in the settings now.

    Prompts if NEW has published in the meantime, because its own snapshots are then removed. After
    an interruption, call it again.
    """
    _check(workspace, old, new)
    prepare_instance(workspace)
    removed = _own_snapshots(workspace, old, new)
    if removed and not yes:
        confirm(
            f"Remove the {len(removed)} snapshots that {new!r} has published since {removed[0]}? "
            f"Its next run continues the history of {old!r}"
        )
    with ExitStack() as stack:
        for name in sorted({old, new}):
            stack.enter_context(locked(workspace.run_lock(name), f"a run of integration {name!r}"))
        with open_instance(workspace) as instance:
            for name in (old, new):
                require_no_remote_run(OwnRuns(instance, AssetKeys(workspace.prefix)), name)
            _rename(workspace, old, new, replaces=bool(removed))
            add_partitions(instance, AssetKeys(workspace.prefix), [new])
        remove_staged(workspace, old)
    click.echo(f"{old}: renamed to {new}; DuckDB file: {workspace.inventory_file()}")


def _check(workspace: Workspace, old: str, new: str) -> None:
    names = {integration.name for integration in resolved_settings(workspace).integration}
    source = workspace.config or "the environment; name a file with --config"
    if old in names:
        raise SettingsError(
            f"integration {old!r} is in the settings ({source}), so it would be pulled again; "
            f"change its name to {new!r} there first"
        )
    if new not in names:
        raise SettingsError(
            f"integration {new!r} is not in the settings ({source}), so no run would continue the "
            f"history; change the name there first"
        )
    history = workspace.open_history()
    if not history.snapshot_ids(old) and old not in history.former_names(new):
        known = ", ".join(sorted(history.snapshots())) or "none"
        raise SettingsError(f"no integration {old!r} was published; there are: {known}")


def _own_snapshots(workspace: Workspace, old: str, new: str) -> list[str]:
    """Return the snapshots of the new name that would be in the way of the history."""
    history = workspace.open_history()
    # After an interrupted call, they may be those of the old name.
    is_own = history.snapshot_ids(old) and old not in history.former_names(new)
    return history.snapshot_ids(new) if is_own else []


def _rename(workspace: Workspace, old: str, new: str, *, replaces: bool) -> None:
    """Rename the history, then publish it again. Each step can be repeated."""
    # In a directory, both names have the same lock.
    paths = sorted({workspace.publication_lock(name) for name in (old, new)})
    with ExitStack() as stack:
        for path in paths:
            stack.enter_context(locked(path))
        history = workspace.open_history()
        if replaces:
            workspace.removal_file(new).remove()
            history.drop_integration(new)
        # They belong to the latest snapshot, which the next run compares with.
        workspace.removal_file(old).rename(new)
        workspace.open_reviews().rename(old, new)
        history.rename(old, new)
        remove_own_file(workspace, old)
        if workspace.url:
            refresh_file(workspace, new)
            refresh_report(workspace, new)
    rebuild_file(workspace)
