"""The command `check`: what each key can read, and whether a run would work."""

import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import click
from rich.console import Console
from rich.table import Table

from assets_defs.cli.integrations import choose_integrations
from assets_defs.cli.options import EXIT_FAILURE, EXIT_SETTINGS, pass_workspace
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
from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.workspace import Workspace

# JumpCloud's specification has no GET by which a key learns its own role or scopes.
ADVICE = (
    "whether the key could also write, no read can tell: make sure that its administrator has the "
    'role "Read Only", or its service account no scope but those that end in .readonly'
)

_SINGULAR = {"systemgroups": "group", "applications": "application"}


@click.command()
@click.argument("names", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="For programs: every field")
@pass_workspace
def check(workspace: Workspace, names: Sequence[str], *, as_json: bool) -> None:
    """Check the connection of integrations: those NAMED, or all that are enabled.

    Reads a record of each endpoint, and changes nothing. Exits with 0 if their runs would work.
    """
    settings = workspace.settings()
    sys.exit(check_each(settings, choose_integrations(workspace, settings, names), as_json=as_json))


def check_each(
    settings: Settings, integrations: Sequence[Integration], *, as_json: bool = False
) -> int:
    """Try and print each; the exit code of the worst."""
    worst = 0
    documents: list[dict[str, object]] = []
    for integration, test in _tried(settings, integrations):
        if isinstance(test, SettingsError):
            worst = EXIT_SETTINGS
            click.echo(f"Error: {printable(str(test))}", err=True)
            documents.append({"name": integration.name, "works": False, "problem": str(test)})
            continue
        worst = max(worst, 0 if test.works else EXIT_FAILURE)
        if as_json:
            documents.append({"name": integration.name, "works": test.works} | asdict(test))
        else:
            _print(integration, test)
    if as_json:
        click.echo(json.dumps(documents, indent=1))
    return worst


def _tried(
    settings: Settings, integrations: Sequence[Integration]
) -> Iterator[tuple[Integration, ConnectionCheck | SettingsError]]:
    pool = ThreadPoolExecutor(settings.max_parallel_runs)
    tests = [(each, pool.submit(check_connection, each)) for each in integrations]
    try:
        for integration, test in tests:
            try:
                yield integration, test.result()
            except SettingsError as error:
                yield integration, error
    finally:
        # After Ctrl-C those that still wait are not tried.
        pool.shutdown(cancel_futures=True)


def _print(integration: Integration, test: ConnectionCheck) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(_title(integration), markup=False)
    # Where nothing answers, what was not asked says nothing more.
    if any(reach.state in {"readable", "refused"} for reach in test.reaches):
        table = Table("endpoint", "key may read it")
        table.add_column("records", justify="right")
        for reach in test.reaches:
            table.add_row(reach.endpoint, reach.state, _count(reach))
        console.print(table)
    for line in _lines(test):
        console.print(f"  {printable(line)}", markup=False)
    verdict = "a run would work" if test.works else "a run would fail"
    console.print(f"{integration.name}: {verdict}", markup=False)


def _title(integration: Integration) -> str:
    where = "base_url" if integration.base_url else f"region {integration.region}"
    through = f", through {integration.proxy}" if integration.proxy else ""
    variable = integration.client_id_env or integration.api_key_env or KEY_VARIABLE
    key = integration.api_key_file or variable
    return f"{integration.name}: {integration.url} ({where}{through}, key of {key})"


def _count(reach: EndpointAccess) -> str:
    if reach.total is None:
        return ""
    parent = ENDPOINTS[reach.endpoint].parent
    return f"{reach.total:,}" + (f" of the first {_SINGULAR[parent]}" if parent else "")


def _lines(test: ConnectionCheck) -> Iterator[str]:
    for org_id, name in test.organizations:
        yield f"organization: {name or 'without a name'} ({org_id})"
    if test.plan:
        yield f"plan: {test.plan}"
    for reach in test.reaches:
        if reach.why:
            yield f"{reach.endpoint}: {reach.why}"
        if reach.state == "refused":
            yield f"{reach.endpoint}: {_without(reach.endpoint)}"
    left_out = [reach.endpoint for reach in test.reaches if reach.state == "left out"]
    if left_out:
        missing = dict.fromkeys(name for each in left_out for name in missing_without(each))
        yield f"left out by the settings, so not told: {', '.join(missing)}"
    if test.problem:
        yield test.problem
    elif len(test.organizations) > 1:
        yield f"warning: the key reads {len(test.organizations)} organizations, not only this one"
    if any(reach.state == "readable" for reach in test.reaches):
        yield f"note: {ADVICE}"


def _without(endpoint: str) -> str:
    missing = ", ".join(missing_without(endpoint))
    if can_be_skipped(endpoint):
        return f"a run needs it, unless skip_endpoints names it; then not told: {missing}"
    if ENDPOINTS[endpoint].is_detail:
        return f"a run needs it, unless details = false; then not told, among others: {missing}"
    return f"no run works without it; it tells: {missing}"
