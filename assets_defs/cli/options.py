"""What the commands share: options, the workspace they name, and clear error messages."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import click

from pipelines.config.environment import CONFIG_VARIABLE, HOME_VARIABLE
from pipelines.errors import SettingsError, printable
from pipelines.storage.disk_errors import explain
from pipelines.workspace import Workspace

EXIT_FAILURE = 1
EXIT_SETTINGS = 2

_data_dir_option = click.option(
    "--data-dir",
    envvar=HOME_VARIABLE,
    help="Everything is written here: a directory, default: data; or s3://bucket/prefix, gs://, az://",
)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar=CONFIG_VARIABLE,
    help="The settings file; without one, JUMPCLOUD_API_KEY names the only integration",
)


def pass_data_dir(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option --data-dir, and the workspace that it names.

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
                workspace.prepare()  # for the copies of what is read
            command(workspace, *arguments, **options)

    return call


def pass_workspace(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options --config and --data-dir, and the workspace that they name."""
    return config_option(pass_data_dir(command))


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
        # DuckDB's messages repeat what is in the data.
        message = "\n".join(map(printable, str(failure).split("\n")))
        click.echo(f"Error: {message}", err=True)
        on_failure(message)
        sys.exit(EXIT_SETTINGS if isinstance(failure, SettingsError) else EXIT_FAILURE)
