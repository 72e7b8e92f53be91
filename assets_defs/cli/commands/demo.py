"""The command `demo`: try everything on a simulated organization, without a key."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from assets_defs.cli.options import pass_data_dir
from pipelines.storage.atomic import write_text
from pipelines.workspace import Workspace

NAME = "demo"
KEY_VARIABLE = "JUMPCLOUD_INVENTORY_DEMO_KEY"
PAST_WEEKS = 9

_SETTINGS = """\
# The simulated organization of `jumpcloud-inventory demo`; each start overwrites this file.
[[integration]]
name = "{name}"
description = "Simulated organization"
base_url = "{url}"
api_key_env = "{variable}"
"""


@click.command()
@pass_data_dir
def demo(workspace: Workspace) -> None:
    """Pull a simulated organization; needs no key."""
    # These load Dagster, which the other functions of this module do not need.
    from assets_defs.cli.commands.past_snapshots import commit_past  # noqa: PLC0415
    from assets_defs.cli.commands.run import run_one  # noqa: PLC0415
    from assets_defs.cli.summary import print_examples  # noqa: PLC0415
    from assets_defs.runs.instance import prepare_instance  # noqa: PLC0415
    from pipelines.sql import in_memory  # noqa: PLC0415

    workspace = workspace.demo()
    prepare_instance(workspace)
    with (
        in_memory() as connection,
        simulated_organization(workspace, lambda at: commit_past(workspace, NAME, at, connection)),
    ):
        succeeded = run_one(workspace, NAME, [])
    if not succeeded:
        sys.exit(1)
    print_examples(workspace.inventory_file())


@contextmanager
def simulated_organization(
    workspace: Workspace, on_past_state: Callable[[datetime], None] = lambda _: None
) -> Iterator[str]:
    """Serve the organization on a free loopback port, and write its settings; yield its key.

    Args:
        workspace: the demo's workspace.
        on_past_state: called while the organization is as it was at a past time, with this time.
    """
    # Loads a web server that no other command needs.
    from pipelines.simulator import WEEK, Behavior, Company, Server, Sizes  # noqa: PLC0415

    founded = _founding_time(workspace.demo_start_file, PAST_WEEKS * WEEK)
    company = Company(founded, Sizes())
    # A latency well above the noise of a busy machine; otherwise the rate limiter sees congestion.
    behavior = Behavior(comma_targets="accepted", latency_seconds=0.01)
    with Server(company.organization, behavior=behavior) as server:
        text = _SETTINGS.format(name=NAME, url=server.base_url, variable=KEY_VARIABLE)
        write_text(text, workspace.local_settings)
        # Pulls read keys from their own environment.
        os.environ[KEY_VARIABLE] = company.organization.api_key
        for _ in range(min(PAST_WEEKS, (datetime.now(UTC) - founded) // WEEK)):
            on_past_state(company.now)
            company.advance()
        yield company.organization.api_key


def _founding_time(path: Path, age: timedelta) -> datetime:
    """Return the time of the first state, this long before the demo's first start.

    It is kept, so that every start serves the same organization.
    """
    if not path.exists():
        write_text((datetime.now(UTC) - age).isoformat(), path)
    return datetime.fromisoformat(path.read_text())
