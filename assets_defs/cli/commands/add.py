"""The command `add`: add an integration to the settings file."""

import os
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import get_args

import click

from assets_defs.cli.commands.check import check_integrations
from assets_defs.cli.options import choose_integrations, explained_errors
from pipelines.config.credentials import load_credentials
from pipelines.config.editor import append_integration
from pipelines.config.environment import CONFIG_VARIABLE
from pipelines.config.integration import Integration, find_name_problem
from pipelines.config.settings import find_problem
from pipelines.config.validation_errors import LOOKS_LIKE_A_KEY
from pipelines.errors import SettingsError
from pipelines.workspace import Workspace

DEFAULT_FILE = "integrations.toml"
_FORM = ("name", "description", "type", "scope", "enabled", "region")
_KEYS = (
    "api_key_env",
    "api_key_file",
    "api_key_credential",
    "client_id_env",
    "client_secret_env",
)
_MORE = ("proxy", "ca_bundle", "org_id", "discover_organizations", "base_url")


def _without_key(value: object) -> None:
    if isinstance(value, str) and LOOKS_LIKE_A_KEY.search(value):
        raise click.BadParameter(
            "looks like a key, which no option takes. Give the name of the environment variable "
            "that will hold it"
        )


def text(value: str) -> str:
    """Return a text without the spaces around it; refuse a key."""
    _without_key(value)
    return value.strip()


class _OneOf(click.Choice[str]):
    """One of the values that a setting takes."""

    def __init__(self, setting: str) -> None:
        super().__init__(get_args(Integration.model_fields[setting].annotation))

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Convert a choice; refuse a key, because the message on a wrong choice would repeat it."""
        _without_key(value)
        return super().convert(value, param, ctx)


class _PromptOption(click.Option):
    """An option that prompts when omitted and, without a terminal, falls back to its default."""

    def prompt_for_value(self, ctx: click.Context) -> object:
        """Prompt for the value."""
        try:
            return super().prompt_for_value(ctx)
        except click.Abort:
            if sys.stdin.isatty():
                raise
        default = self.get_default(ctx)
        if not isinstance(default, str | bool):
            raise click.MissingParameter(ctx=ctx, param=self)
        return default


def _as_setting(_: click.Context, param: click.Parameter, value: str) -> str:
    """Return a valid value; refuse one that the settings would refuse, so that click asks again."""
    problem = find_problem(str(param.name), value)
    if not problem and param.name == "name":
        problem = find_name_problem(value)
    if problem:
        raise click.BadParameter(problem)
    return value


def _variable(value: str) -> str:
    problem = find_problem("api_key_env", text(value))
    if problem:
        raise click.BadParameter(problem)
    return value.strip()


_prompt_option = partial(click.option, cls=_PromptOption)


@click.command()
@_prompt_option(
    "--config",
    envvar=CONFIG_VARIABLE,
    type=click.Path(path_type=Path, dir_okay=False),
    prompt="Settings file",
    default=DEFAULT_FILE,
    help="Settings file, created if it does not exist",
)
@_prompt_option("--type", type=_OneOf("type"), prompt="Integration type", default="jumpcloud")
@_prompt_option("--scope", type=_OneOf("scope"), prompt="Integration scope", default="cloud")
@_prompt_option("--name", type=text, prompt="Integration name", callback=_as_setting)
@_prompt_option("--description", type=text, prompt="Description", default="")
@_prompt_option("--enabled/--disabled", prompt="Enabled", default=True)
@_prompt_option("--region", type=_OneOf("region"), prompt="Region", default="us")
@click.option(
    "--api-key-env", type=_variable, metavar="NAME", help="Environment variable with the API key"
)
@click.option("--api-key-file", type=text, help="Or a file with the API key")
@click.option("--api-key-credential", type=text, help="Or a systemd credential with the API key")
@click.option(
    "--client-id-env",
    type=_variable,
    metavar="NAME",
    help="Or, for a service account, two variables",
)
@click.option("--client-secret-env", type=_variable, metavar="NAME", help="With --client-id-env")
@click.option("--proxy", type=text, help="For scope on_premise")
@click.option("--ca-bundle", type=text, help="For scope on_premise")
@click.option("--org-id", type=text, help="For a key of several organizations")
@click.option("--discover-organizations", is_flag=True, help="All organizations of the key")
@click.option("--base-url", type=text, help="Address to use instead of the region's hosts")
@click.option("--cron", type=text, help="Time of the refresh; default: every 12 hours")
@click.option("--timezone", type=text, help="Time zone of --cron; default: UTC")
def add(config: Path, cron: str | None, timezone: str | None, **given: str | bool | None) -> None:
    """Add an integration to the settings file, and check its connection.

    Prompts for missing values. The key itself stays in the environment, or in a file.
    """
    if not any(given[key] for key in _KEYS):
        name = str(given["name"]).upper().replace("-", "_")
        question = "Environment variable that holds the API key"
        given["api_key_env"] = click.prompt(
            question, f"JUMPCLOUD_API_KEY_{name}", value_proc=_variable
        )
    if given["scope"] == "on_premise" and not (given["proxy"] or given["ca_bundle"]):
        for key, question in (("proxy", "Proxy"), ("ca_bundle", "File of CA certificates")):
            given[key] = click.prompt(
                f"{question} (none: empty)", "", value_proc=text, show_default=False
            )
    fields: dict[str, str | bool | dict[str, str]] = {}
    fields |= {key: value for key in _FORM if (value := given[key]) is not None}
    fields |= {key: value for key in (*_KEYS, *_MORE) if (value := given[key])}
    schedule = {"cron": cron, "timezone": timezone}
    if cron or timezone:
        fields["schedule"] = {key: value for key, value in schedule.items() if value}
    with explained_errors(Path()):
        settings = append_integration(config, fields)
        integration = settings.named(str(given["name"]))
        click.echo(f"{integration.name}: added to {config}")
        if os.environ.get(CONFIG_VARIABLE) != str(config):
            path = shlex.quote(str(config.absolute()))
            click.echo(f"to let the commands use the file: export {CONFIG_VARIABLE}={path}")
        try:
            load_credentials(integration)
        except SettingsError as error:
            click.echo(f"{error}; then try it: jumpcloud-inventory check {integration.name}")
            return
        workspace = Workspace.from_environment(os.environ, None, config)
        chosen = choose_integrations(workspace, settings, [integration.name])
        sys.exit(check_integrations(workspace, settings, chosen))
