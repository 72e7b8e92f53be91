"""The command `export`: write the inventory as files for other programs."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import click
import duckdb

from assets_defs.cli.commands.sql import open_file
from assets_defs.cli.options import pass_data_dir
from pipelines.config.exports import OcsfVersion
from pipelines.errors import InventoryError
from pipelines.export.cmdb import JIRA_ASSETS, SERVICENOW, select_imports
from pipelines.export.ocsf import write_events
from pipelines.export.ocsf_classes import LATEST, OCSF_VERSIONS
from pipelines.export.output_file import output_file
from pipelines.export.query_results import Relation
from pipelines.export.tables import select_tables, write_table
from pipelines.export.xlsx import write_workbook
from pipelines.publish.access import list_manifests
from pipelines.publish.reader import open_bounded
from pipelines.workspace import Workspace

XLSX = "xlsx"
OCSF = "ocsf"
FILE_PER_TABLE = ("csv", "jsonl", "parquet")
IMPORTS = (JIRA_ASSETS, SERVICENOW)
DIRECTORY = Path("inventory")
WORKBOOK = Path("inventory.xlsx")
EVENTS = Path("inventory.ocsf.jsonl")


@click.command()
@click.argument("tables", nargs=-1, metavar="[TABLE...]")
@click.option(
    "--format", "form", type=click.Choice([*FILE_PER_TABLE, XLSX, OCSF, *IMPORTS]), required=True
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help=f"csv, jsonl, parquet: a directory, or the file of a single TABLE (default: {DIRECTORY}); "
    f"xlsx, ocsf: a file (default: {WORKBOOK}, {EVENTS}); "
    f"{', '.join(IMPORTS)}: a directory (default: the format's name)",
)
@click.option("--at", metavar="SNAPSHOT|TIME", help="The inventory as of a snapshot or a time")
@click.option("--integration", help="Only its rows")
@click.option(
    "--ocsf-version",
    type=click.Choice(OCSF_VERSIONS),
    help=f"ocsf: version of the schema (default: {LATEST})",
)
@pass_data_dir
def export(  # noqa: PLR0913 -- one for each option
    workspace: Workspace,
    tables: Sequence[str],
    *,
    form: str,
    output: Path | None,
    at: str | None,
    integration: str | None,
    ocsf_version: OcsfVersion | None,
) -> None:
    """Write TABLES and views of the inventory as files; without a name, all tables.

    Existing files are replaced only when all files are complete. Other files stay.
    """
    if ocsf_version and form != OCSF:
        raise click.UsageError(f"--ocsf-version is for --format {OCSF}, not for {form}")
    if integration is not None:
        list_manifests(workspace, integration)
    with open_file(workspace, at, integration) as file, open_bounded(file) as connection:
        if form == OCSF:
            written = [output or EVENTS]
            with output_file(written[0]) as temporary:
                write_events(connection, tables, integration, temporary, ocsf_version or LATEST)
        else:
            relations = (
                select_imports(connection, form, tables, integration)
                if form in IMPORTS
                else select_tables(connection, tables, integration)
            )
            if form == XLSX:
                written = [_write_workbook(relations, output or WORKBOOK)]
            else:
                suffix = "csv" if form in IMPORTS else form
                default = Path(form) if form in IMPORTS else DIRECTORY
                written = _write_files(connection, relations, suffix, output or default)
    for path in written:
        click.echo(path)


def _write_workbook(relations: Mapping[str, Relation], output: Path) -> Path:
    with output_file(output) as temporary:
        replaced = write_workbook(relations, temporary)
    for column, count in replaced.items():
        click.echo(
            f"{output}: {count:,} values of {column} do not fit into a cell and were replaced by "
            "a note; use another format for them",
            err=True,
        )
    return output


def _write_files(
    connection: duckdb.DuckDBPyConnection,
    relations: Mapping[str, Relation],
    form: str,
    output: Path,
) -> list[Path]:
    if output.suffix == f".{form}" and not output.is_dir():
        if len(relations) > 1:
            raise InventoryError(f"{output}: a file holds one table. Name a directory")
        paths = dict.fromkeys(relations, output)
    else:
        _make_directory(output, form)
        paths = {name: output / f"{name}.{form}" for name in relations}
    # Replace no file before all are written.
    with ExitStack() as stack:
        for name, relation in relations.items():
            path = stack.enter_context(output_file(paths[name]))
            write_table(connection, relation, form, path)
    return list(paths.values())


def _make_directory(path: Path, form: str) -> None:
    if path.exists() and not path.is_dir():
        raise InventoryError(f"{path}: not a directory, and the name does not end in .{form}")
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise InventoryError(f"{path}: cannot be made a directory ({error.strerror})") from None
