"""The commands `enable` and `disable`: switch an integration on or off in the settings file."""

from pathlib import Path

import click

from assets_defs.cli.options import config_option, explained_errors
from pipelines.config.editor import set_enabled
from pipelines.config.environment import CONFIG_VARIABLE
from pipelines.errors import SettingsError


@click.command()
@click.argument("name")
@config_option
def enable(name: str, config: Path | None) -> None:
    """Let the schedule run integration NAME."""
    _switch(name, config, enabled=True)


@click.command()
@click.argument("name")
@config_option
def disable(name: str, config: Path | None) -> None:
    """Let the schedule skip integration NAME; what it published stays."""
    _switch(name, config, enabled=False)


def _switch(name: str, config: Path | None, *, enabled: bool) -> None:
    word = "enabled" if enabled else "disabled"
    with explained_errors(Path()):
        if config is None:
            raise SettingsError(
                f"no settings file is named; name one with --config or {CONFIG_VARIABLE}"
            )
        changed = set_enabled(config, name, enabled=enabled)
        click.echo(f"{name}: {word}" if changed else f"{name}: is already {word}")
