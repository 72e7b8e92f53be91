"""The command `demo`: try everything on a simulated organization, without a key."""

import sys

import click

from assets_defs.cli.commands.run import run_one
from assets_defs.cli.demo_organization import NAME, simulated_organization
from assets_defs.cli.options import pass_data_dir
from assets_defs.cli.past_snapshots import commit_past
from assets_defs.cli.summary import print_examples
from assets_defs.runs.instance import prepare_instance
from pipelines.workspace import Workspace


@click.command()
@pass_data_dir
def demo(workspace: Workspace) -> None:
    """Pull a simulated organization; needs no key."""
    workspace.make_root()
    workspace = workspace.demo()
    prepare_instance(workspace)
    with simulated_organization(workspace, lambda times: commit_past(workspace, NAME, times)):
        succeeded = run_one(workspace, NAME, [])
    if not succeeded:
        sys.exit(1)
    print_examples(workspace.inventory_file())
