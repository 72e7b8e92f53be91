"""What the commands have in common: options, the environment, and errors in words."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import click
import duckdb
from sqlalchemy.exc import OperationalError

from assets_defs.console import printable
from assets_defs.runs.instance import prepare_home
from pipelines.config.environment import CONFIG_VARIABLE, HOME_VARIABLE, home
from pipelines.config.integration import Integration
from pipelines.config.settings import Settings
from pipelines.errors import InventoryError, SettingsError
from pipelines.extract.discovery import expand_integration, expand_settings, refresh_organizations
from pipelines.storage.disk_errors import storage_error

data_dir_option = click.option(
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


def set_data_dir(data_dir: str | None) -> None:
    """Name the data directory in the environment; a command that only reads needs no more.

    Of an object store, it makes the directory of this machine, to which that brings what it reads.

    Raises:
        SettingsError: the name is empty, or no place for the inventory; or the directory of this
            machine cannot be written.
    """
    if data_dir is None:
        return
    if not data_dir:
        raise SettingsError("--data-dir is empty; name a directory")
    if "://" in data_dir:
        os.environ[HOME_VARIABLE] = data_dir
        prepare_home()
    else:
        os.environ[HOME_VARIABLE] = str(Path(data_dir).absolute())


def set_environment(config: Path | None, data_dir: str | None) -> None:
    """Name settings and data directory in the environment, and make the directory.

    Raises:
        SettingsError: it cannot be written.
    """
    set_data_dir(data_dir)
    if config is not None:
        os.environ[CONFIG_VARIABLE] = str(config.absolute())
    prepare_home()


def chosen_integrations(settings: Settings, names: Sequence[str]) -> list[Integration]:
    """The integrations of these names, or without one all that are enabled.

    Organizations of a service provider's key are looked up, if none of them is named itself; the
    name of their entry means all of them.

    Raises:
        SettingsError: there is none of that name, or none is enabled.
    """
    entries = {each.name: each for each in settings.integration if each.discover_organizations}
    asked = [
        each for each in entries.values() if each.name in names or (not names and each.enabled)
    ]
    if asked:
        prepare_home()
        for failure in refresh_organizations(asked, home()):
            click.echo(printable(failure), err=True)
    known = expand_settings(settings, home())
    chosen: list[Integration] = []
    for name in names:
        entry = entries.get(name)
        meant = [each.name for each in expand_integration(entry, home())] if entry else [name]
        chosen += map(known.named, meant)
    chosen = chosen or [each for each in known.integration if each.enabled]
    if not chosen:
        raise SettingsError("every integration is disabled; name the one that is meant")
    return chosen


@contextmanager
def errors_in_words(also_tell: Callable[[str], None] = lambda _: None) -> Iterator[None]:
    """Turn our own errors into one clear message and an exit code, without a traceback.

    Args:
        also_tell: called with the message before the end.
    """
    try:
        yield
    except InventoryError as error:
        _exit_with(error, also_tell)
    except (OSError, duckdb.Error, OperationalError) as error:
        failure = storage_error(error, home())
        if failure is None:
            raise
        _exit_with(failure, also_tell)


def _exit_with(error: InventoryError, also_tell: Callable[[str], None]) -> NoReturn:
    # DuckDB's messages repeat what is in the data.
    words = "\n".join(map(printable, str(error).split("\n")))
    click.echo(f"Error: {words}", err=True)
    also_tell(words)
    sys.exit(2 if isinstance(error, SettingsError) else 1)
