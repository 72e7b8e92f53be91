"""The command `check`: check the permissions of each key, and the chances of a run."""

import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import click
from rich.console import Console
from rich.table import Table

from assets_defs.cli.options import (
    EXIT_FAILURE,
    EXIT_SETTINGS,
    choose_integrations,
    pass_workspace,
)
from pipelines.config.credentials import load_credentials
from pipelines.config.environment import KEY_VARIABLE
from pipelines.config.integration import Integration
from pipelines.config.settings import Settings
from pipelines.errors import InventoryError, SettingsError, printable
from pipelines.extract.connection_check import (
    ConnectionCheck,
    EndpointAccess,
    can_be_skipped,
    check_connection,
    missing_without,
)
from pipelines.extract.permissions import Permissions
from pipelines.jumpcloud.client import JumpCloudClient
from pipelines.jumpcloud.endpoints import ENDPOINTS, ORGANIZATIONS, SYSTEMGROUPS_ASSOCIATIONS
from pipelines.publish.notes import describe_shared_organizations
from pipelines.workspace import Workspace

# JumpCloud's specification has no GET that returns the role of an administrator's key.
ADVICE = (
    "no read can show that the key cannot write: make sure that its administrator has the role "
    '"Read Only", or its service account only scopes that end in .readonly'
)

# A new secret takes an administrator.
EXPIRES_SOON = timedelta(days=30)
MAX_SHOWN_SCOPES = 10
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
            workspace,
            settings,
            choose_integrations(workspace, settings, names),
            as_json=as_json,
        )
    )


def check_integrations(
    workspace: Workspace,
    settings: Settings,
    integrations: Sequence[Integration],
    *,
    as_json: bool = False,
) -> int:
    """Check integrations and print the results; return the highest exit code."""
    worst = 0
    documents: list[dict[str, object]] = []
    organizations: dict[str, str] = {}
    for integration, result in _check_concurrently(settings, integrations):
        if isinstance(result, SettingsError):
            worst = EXIT_SETTINGS
            click.echo(f"Error: {printable(str(result))}", err=True)
            documents.append({"name": integration.name, "works": False, "problem": str(result)})
            continue
        worst = max(worst, 0 if result.works else EXIT_FAILURE)
        if len(result.organizations) == 1 and not integration.org_id:
            organizations[integration.name] = result.organizations[0][0]
        if as_json:
            documents.append({"name": integration.name, "works": result.works} | asdict(result))
        else:
            key = load_credentials(integration).identity
            _print(integration, result, workspace.saved_rates.get(key))
    if as_json:
        click.echo(json.dumps(documents, indent=1, default=datetime.isoformat))
    try:
        for line in describe_shared_organizations(workspace, organizations):
            click.echo(line, err=True)
    except InventoryError as error:  # a check needs no published file
        click.echo(f"not compared with what is published: {printable(str(error))}", err=True)
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


def _print(integration: Integration, result: ConnectionCheck, rate: float | None) -> None:
    console = Console(highlight=False, soft_wrap=True)
    console.print(_title(integration), markup=False)
    # Without any response, the other states are not worth a table.
    if any(reach.state in {"readable", "refused"} for reach in result.reaches):
        table = Table("endpoint", "key may read it")
        table.add_column("records", justify="right")
        for reach in result.reaches:
            table.add_row(reach.endpoint, reach.state, _count(reach))
        console.print(table)
    for line in _lines(result, rate):
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


def _lines(result: ConnectionCheck, rate: float | None) -> Iterator[str]:
    for org_id, name in result.organizations:
        yield f"organization: {name or 'without a name'} ({org_id})"
    if result.plan:
        time = f"; {result.plan.describe_time(rate)}" if rate else ""
        yield f"plan: {result.plan}{time}"
    if result.report_problem:
        yield f"report of users and devices: {result.report_problem}"
    yield from _problem_lines(result.reaches)
    left_out = [reach.endpoint for reach in result.reaches if reach.state == "left out"]
    if left_out:
        missing = dict.fromkeys(name for endpoint in left_out for name in missing_without(endpoint))
        yield f"left out by the settings, so missing: {', '.join(missing)}"
    if result.problem:
        yield result.problem
    elif len(result.organizations) > 1:
        yield f"warning: the key reads {len(result.organizations)} organizations, not only this one"
    if result.permissions:
        yield from _permission_lines(result.permissions, datetime.now(UTC))


def _problem_lines(reaches: Sequence[EndpointAccess]) -> Iterator[str]:
    for reach in reaches:
        if reach.why:
            yield f"{reach.endpoint}: {reach.why}"
        if reach.state == "refused":
            yield f"{reach.endpoint}: {_without(reach.endpoint)}"


def _permission_lines(known: Permissions, now: datetime) -> Iterator[str]:
    if known.account:
        assumed = ", the only one, which does not show its credentials" if known.is_assumed else ""
        role = f", role {known.role}" if known.role else ""
        yield f"service account: {known.account}{assumed}{role}"
    if known.secret_expires_at:
        yield _expiry_line(known.secret_expires_at, now)
    for scope, endpoints in known.missing_scopes.items():
        yield f"warning: the role does not have the scope {scope}, for {', '.join(endpoints)}"
    if known.unknown:
        yield f"note: the scopes of the key are not known: {known.unknown}"
        yield f"note: {ADVICE}"
    elif known.write_scopes:
        shown = ", ".join(known.write_scopes[:MAX_SHOWN_SCOPES])
        more = len(known.write_scopes) - MAX_SHOWN_SCOPES
        rest = f" and {more} more" if more > 0 else ""
        yield f"warning: the role may write: {shown}{rest}; use scopes that end in .readonly"
    else:
        yield "the scopes of the role can only read"


def _expiry_line(end: datetime, now: datetime) -> str:
    date = end.date()
    if end <= now:
        return f"warning: the secret ended on {date}; create a new one"
    line = f"the secret ends on {date}, in {(end - now).days} days"
    return f"warning: {line}; create a new one" if end - now < EXPIRES_SOON else line


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
