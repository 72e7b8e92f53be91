"""The command `findings`: report the open findings, for people, CI systems and cron."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from assets_defs.cli.commands.sql import open_file
from assets_defs.cli.options import pass_data_dir
from pipelines.errors import InventoryError
from pipelines.export.checks import FORMATS
from pipelines.export.output_file import output_file_or_stdout
from pipelines.findings.catalog import FINDINGS
from pipelines.findings.checks import read_checks
from pipelines.publish.access import list_manifests
from pipelines.publish.reader import open_sandboxed
from pipelines.severity import SEVERITIES, Severity
from pipelines.workspace import Workspace

EXIT_FINDINGS = 3


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option("--integration", help="Only its findings")
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    help=f"Exit with {EXIT_FINDINGS} if a finding of at least this severity is open or not asked",
)
@click.option("--new", "only_new", is_flag=True, help="Only what opened with the latest snapshot")
@click.option("--format", "form", type=click.Choice([*FORMATS]), default="table", show_default=True)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; default: standard output",
)
@pass_data_dir
def findings(  # noqa: PLR0913 -- one for each option
    workspace: Workspace,
    names: Sequence[str],
    integration: str | None,
    *,
    fail_on: Severity | None,
    only_new: bool,
    form: str,
    output: Path | None,
) -> None:
    """Report the open findings of the published inventory: those NAMED, or all."""
    known = [finding.name for finding in FINDINGS]
    for name in names:
        if name not in known:
            raise InventoryError(f"no finding is named {name!r}; there are: {', '.join(known)}")
    if integration is not None:
        list_manifests(workspace, integration)
    with (
        open_file(workspace, None, integration) as path,
        open_sandboxed(path) as connection,
    ):
        checks = read_checks(connection, names, integration, only_new=only_new)
    with output_file_or_stdout(output) as file:
        file.write_text(FORMATS[form](checks, fail_on or SEVERITIES[-1]), encoding="utf-8")
    if fail_on and any(one.fails(fail_on) for one in checks):
        sys.exit(EXIT_FINDINGS)
