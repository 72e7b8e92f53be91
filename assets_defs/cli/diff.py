"""The command `diff`: what changed between two snapshots."""

from collections.abc import Sequence

import click
import duckdb
import pyarrow as pa

from assets_defs.cli.diff_text import describe
from assets_defs.cli.options import pass_workspace
from pipelines.export.output_file import output_file_or_stdout
from pipelines.export.query_results import write_result
from pipelines.history.diff import SnapshotDiff, diff_snapshots, select_snapshots
from pipelines.publish.access import list_manifests
from pipelines.sql import disable_async_writes
from pipelines.workspace import Workspace

TEXT = "text"
CSV = "csv"


@click.command()
@click.argument("snapshots", nargs=-1, metavar="[SNAPSHOT [SNAPSHOT]]")
@click.option("--integration", help="Of this one only")
@click.option("--format", "form", type=click.Choice([TEXT, CSV, "json"]), default=TEXT)
@pass_workspace
def diff(
    workspace: Workspace, snapshots: Sequence[str], integration: str | None, form: str
) -> None:
    """Print what changed: from a snapshot to the latest, or to another SNAPSHOT.

    Without one: from the last snapshot but one to the last, of each integration.
    """
    if len(snapshots) > 2:  # noqa: PLR2004 -- before and after
        raise click.UsageError("give two snapshots at most")
    ignored = workspace.settings().volatile_columns
    pairs = select_snapshots(list_manifests(workspace, integration), snapshots)
    history = workspace.open_history()
    differences = [diff_snapshots(history, before, after, ignored) for before, after in pairs]
    for found in differences:
        if found.not_compared:
            name, tables = found.after.integration.name, ", ".join(found.not_compared)
            click.echo(f"{name}: not compared, as not pulled both times: {tables}", err=True)
    if form != TEXT:
        _print_rows(differences, form)
        return
    for found in differences:
        for line in describe(found):
            click.echo(line)


def _print_rows(differences: Sequence[SnapshotDiff], form: str) -> None:
    with output_file_or_stdout(None) as file, duckdb.connect() as connection:
        disable_async_writes(connection)
        relation = connection.from_arrow(
            pa.concat_tables([found.to_table() for found in differences])
        )
        relation = relation.project(
            "* REPLACE (old_value::JSON AS old_value, new_value::JSON AS new_value)"
        )
        if form == CSV:
            from pipelines.export.xlsx import without_formula  # noqa: PLC0415 -- loads xlsxwriter

            relation = relation.project(f"* REPLACE ({without_formula('name')} AS name)")
        write_result(relation, form, file)
