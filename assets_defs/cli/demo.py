"""The command `demo`: try everything on a simulated organization, without a key."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from assets_defs.cli.options import pass_data_dir
from pipelines.storage.atomic import write_text
from pipelines.workspace import Workspace

NAME = "demo"
KEY_VARIABLE = "JUMPCLOUD_INVENTORY_DEMO_KEY"

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
    from assets_defs.cli.run import run_one  # noqa: PLC0415
    from assets_defs.cli.summary import print_examples  # noqa: PLC0415
    from assets_defs.runs.instance import prepare_instance  # noqa: PLC0415

    workspace = workspace.demo()
    prepare_instance(workspace)
    with simulated_organization(workspace) as key:
        # The pull reads keys from its own environment.
        os.environ[KEY_VARIABLE] = key
        succeeded = run_one(workspace, NAME, [])
    if not succeeded:
        sys.exit(1)
    print_examples(workspace.inventory_file())


@contextmanager
def simulated_organization(workspace: Workspace) -> Iterator[str]:
    """Serve the organization on a free loopback port, and write its settings; yield its key."""
    # Loads a web server that no other command needs.
    from pipelines.simulator import Server, generate  # noqa: PLC0415

    organization = generate(now=_first_start(workspace.demo_start_file))
    with Server(organization) as server:
        text = _SETTINGS.format(name=NAME, url=server.base_url, variable=KEY_VARIABLE)
        write_text(text, workspace.local_settings)
        yield organization.api_key


def _first_start(path: Path) -> datetime:
    """Return the time of the demo's first start; its dates are relative to it, so they stay."""
    if not path.exists():
        write_text(datetime.now(UTC).isoformat(), path)
    return datetime.fromisoformat(path.read_text())
