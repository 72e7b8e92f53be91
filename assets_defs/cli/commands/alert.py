"""The command `alert`: send a test notice."""

import sys

import click

from assets_defs.cli.options import EXIT_FAILURE, pass_workspace
from pipelines.alerts.alert import Alert
from pipelines.alerts.send import is_sent, send_alert
from pipelines.errors import SettingsError, printable
from pipelines.workspace import Workspace


@click.command()
@click.option("--test", "name", metavar="NAME", required=True, help="Target to send a test to")
@pass_workspace
def alert(workspace: Workspace, name: str) -> None:
    """Send a test notice through a target of the settings, and print the result."""
    targets = {target.name: target for target in workspace.settings().alert_targets}
    if name not in targets:
        known = ", ".join(targets) or "none"
        raise SettingsError(f"no alert target is named {name!r}; there are: {known}")
    notice = Alert("", "test", f"the alert target {name!r} works", "There is nothing to do")
    outcome = send_alert(notice, targets[name], workspace.environment)
    click.echo(f"{name}: {printable(outcome)}")
    if not is_sent(outcome):
        sys.exit(EXIT_FAILURE)
