"""The options and error messages that all commands share."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.config.environment import CONFIG_VARIABLE, HOME_VARIABLE
from pipelines.errors import SettingsError, printable
from pipelines.storage.disk_errors import explain
from pipelines.workspace import Workspace

# Imported when needed: pydantic takes longer than commands that need no settings.
if TYPE_CHECKING:
    from pipelines.config.integration import Integration
    from pipelines.config.settings import Settings

EXIT_FAILURE = 1
EXIT_SETTINGS = 2

_data_dir_option = click.option(
    "--data-dir",
    envvar=HOME_VARIABLE,
    help="Data directory; default: data. Or s3://bucket/prefix, gs://, az://",
)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar=CONFIG_VARIABLE,
    help="The settings file; without one, JUMPCLOUD_API_KEY names the only integration",
)


def pass_data_dir(command: Callable[..., None]) -> Callable[..., None]:
    """Add the option --data-dir to a command, and pass it the workspace.

    Errors that a user can fix end the command with a message and an exit code.
    """

    @_data_dir_option
    @wraps(command)
    def call(
        *arguments: object, data_dir: str | None, config: Path | None = None, **options: object
    ) -> None:
        with explained_errors(Path(data_dir or "")):
            workspace = Workspace.from_environment(os.environ, data_dir, config)
        with explained_errors(workspace.root):
            if workspace.url:
                workspace.prepare()  # for copies from the object store
            command(workspace, *arguments, **options)

    return call


def pass_workspace(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options --config and --data-dir to a command, and pass it the workspace."""
    return config_option(pass_data_dir(command))


def print_shared_home(workspace: Workspace) -> None:
    """Print Dagster's home if `DAGSTER_HOME` names another one than the data directory's own."""
    from assets_defs.runs.instance import (  # noqa: PLC0415 -- see the top
        exported_home,
        is_shared_home,
    )

    if is_shared_home(workspace):
        click.echo(f"Dagster home: {exported_home(workspace)} (DAGSTER_HOME)", err=True)


@contextmanager
def explained_errors(
    root: Path, on_failure: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Turn errors that a user can fix into one message and an exit code, without a traceback.

    Args:
        root: the data directory, for the message.
        on_failure: called with the message before the exit.
    """
    try:
        yield
    except Exception as error:
        failure = explain(error, root)
        if failure is None:
            raise
        # DuckDB's messages may repeat control characters of the data.
        message = "\n".join(map(printable, str(failure).split("\n")))
        click.echo(f"Error: {message}", err=True)
        on_failure(message)
        sys.exit(EXIT_SETTINGS if isinstance(failure, SettingsError) else EXIT_FAILURE)


def choose_integrations(
    workspace: Workspace, settings: "Settings", names: Sequence[str]
) -> "list[Integration]":
    """Return the named integrations, or without a name all that are enabled.

    The name of a provider's entry selects all organizations of its key, which are looked up first.

    Raises:
        SettingsError: no integration has that name, its name is not suitable, or none is enabled.
    """
    from pipelines.extract.discovery import (  # noqa: PLC0415 -- see the top
        expand_integration,
        expand_settings,
        refresh_organizations,
    )

    entries = {entry.name: entry for entry in settings.integration if entry.discover_organizations}
    stale = [
        entry for entry in entries.values() if entry.name in names or (not names and entry.enabled)
    ]
    if stale:
        workspace.prepare()
        for failure in refresh_organizations(stale, workspace.root):
            click.echo(printable(failure), err=True)
    known = expand_settings(settings, workspace.root)
    chosen: list[Integration] = []
    for name in names:
        entry = entries.get(name)
        found = [one.name for one in expand_integration(entry, workspace.root)] if entry else [name]
        chosen += map(known.named, found)
    chosen = chosen or [integration for integration in known.integration if integration.enabled]
    if not chosen:
        raise SettingsError("every integration is disabled; name the one to use")
    for integration in chosen:
        if warning := workspace.check_name(integration.name):
            click.echo(warning, err=True)
    return chosen
