"""The command `check`: check the permissions of each key, and the chances of a run."""

import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from assets_defs.cli.options import (
    EXIT_FAILURE,
    EXIT_SETTINGS,
    choose_integrations,
    pass_workspace,
)
from pipelines.config.environment import KEY_VARIABLE
from pipelines.config.integration import Integration
from pipelines.config.settings import Settings
from pipelines.errors import SettingsError, printable
from pipelines.extract.connection_check import (
    ConnectionCheck,
    EndpointAccess,
    can_be_skipped,
    check_connection,
    missing_without,
)
from pipelines.jumpcloud.client import JumpCloudClient
from pipelines.jumpcloud.endpoints import ENDPOINTS, ORGANIZATIONS, SYSTEMGROUPS_ASSOCIATIONS
from pipelines.workspace import Workspace

# JumpCloud's specification has no GET that returns the role or the scopes of a key.
ADVICE = (
    "no read can show that the key cannot write: make sure that its administrator has the role "
    '"Read Only", or its service account only scopes that end in .readonly'
)

_SINGULAR = {
    "systemgroups": "group",
    "applications": "application",
    "usergroups": "user group",
    "systems": "device",
    "systemusers": "user",
}


@click.command()
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print all fields as JSON")
@pass_workspace
def check(workspace: Workspace, names: Sequence[str], *, as_json: bool) -> None:
    """Check the connection of integrations: those NAMED, or all that are enabled.

    Reads a record of each endpoint, and changes nothing. Exits with 0 if their runs would work.
    """
    settings = workspace.settings()
    sys.exit(
        check_integrations(
            settings, choose_integrations(workspace, settings, names), as_json=as_json
        )
    )


def check_integrations(
    settings: Settings, integrations: Sequence[Integration], *, as_json: bool = False
) -> int:
    """Check integrations and print the results; return the highest exit code."""
    worst = 0
    documents: list[dict[str, object]] = []
    for integration, result in _check_concurrently(settings, integrations):
        if isinstance(result, SettingsError):
            worst = EXIT_SETTINGS
            click.echo(f"Error: {printable(str(result))}", err=True)
            documents.append({"name": integration.name, "works": False, "problem": str(result)})
            continue
        worst = max(worst, 0 if result.works else EXIT_FAILURE)
        if as_json:
            documents.append({"name": integration.name, "works": result.works} | asdict(result))
        else:
            _print(integration, result)
    if as_json:
        click.echo(json.dumps(documents, indent=1))
    return worst


def _check_concurrently(
    settings: Settings, integrations: Sequence[Integration]
) -> Iterator[tuple[Integration, ConnectionCheck | SettingsError]]:
    pool = ThreadPoolExecutor(settings.max_parallel_runs)
    clients: list[JumpCloudClient] = []
    checks = [(one, pool.submit(check_connection, one, clients.append)) for one in integrations]
    try:
        for integration, check in checks:
            try:
                yield integration, check.result()
            except SettingsError as error:
                yield integration, error
    finally:
        # Ctrl-C ends those in progress, and cancels those that still wait.
        for client in clients:
            client.abort()
        pool.shutdown(cancel_futures=True)


def _print(integration: Integration, result: ConnectionCheck) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(_title(integration), markup=False)
    # Without any response, the other states are not worth a table.
    if any(reach.state in {"readable", "refused"} for reach in result.reaches):
        table = Table("endpoint", "key may read it")
        table.add_column("records", justify="right")
        for reach in result.reaches:
            table.add_row(reach.endpoint, reach.state, _count(reach))
        console.print(table)
    for line in _lines(result):
        console.print(f"  {printable(line)}", markup=False)
    verdict = "a run would work" if result.works else "a run would fail"
    console.print(f"{integration.name}: {verdict}", markup=False)


def _title(integration: Integration) -> str:
    host = "base_url" if integration.base_url else f"region {integration.region}"
    proxy = f", through {integration.proxy}" if integration.proxy else ""
    variable = integration.client_id_env or integration.api_key_env or KEY_VARIABLE
    key = integration.api_key_file or integration.api_key_credential or variable
    return f"{integration.name}: {integration.url} ({host}{proxy}, key of {key})"


def _count(reach: EndpointAccess) -> str:
    if reach.total is None:
        return ""
    parent = ENDPOINTS[reach.endpoint].parent
    return f"{reach.total:,}" + (f" of the first {_SINGULAR[parent]}" if parent else "")


def _lines(result: ConnectionCheck) -> Iterator[str]:
    for org_id, name in result.organizations:
        yield f"organization: {name or 'without a name'} ({org_id})"
    if result.plan:
        yield f"plan: {result.plan}"
    for reach in result.reaches:
        if reach.why:
            yield f"{reach.endpoint}: {reach.why}"
        if reach.state == "refused":
            yield f"{reach.endpoint}: {_without(reach.endpoint)}"
    left_out = [reach.endpoint for reach in result.reaches if reach.state == "left out"]
    if left_out:
        missing = dict.fromkeys(name for endpoint in left_out for name in missing_without(endpoint))
        yield f"left out by the settings, so missing: {', '.join(missing)}"
    if result.problem:
        yield result.problem
    elif len(result.organizations) > 1:
        yield f"warning: the key reads {len(result.organizations)} organizations, not only this one"
    if any(reach.state == "readable" for reach in result.reaches):
        yield f"note: {ADVICE}"


def _without(endpoint: str) -> str:
    missing = ", ".join(missing_without(endpoint))
    if endpoint == ORGANIZATIONS.name:
        return (
            "a run works without it, and then only the records show which organization they are "
            f"of; then missing: {missing}"
        )
    if ENDPOINTS[endpoint].is_optional:
        return f"a run works without it; then missing: {missing}"
    if can_be_skipped(endpoint):
        return f"a run needs it, unless skip_endpoints names it; then missing: {missing}"
    if endpoint == SYSTEMGROUPS_ASSOCIATIONS.name:
        return f"a run needs it for each of association_targets; it has: {missing}"
    if ENDPOINTS[endpoint].is_detail:
        return f"a run needs it, unless details = false; then missing, among others: {missing}"
    return f"no run works without it; it has: {missing}"
