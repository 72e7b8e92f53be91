"""The command `sql`: query the published inventory."""

import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path

import click
import duckdb

from assets_defs.cli.options import pass_data_dir
from pipelines.errors import InventoryError, printable
from pipelines.export.output_file import output_file_or_stdout
from pipelines.publish.access import inventory_file
from pipelines.publish.reader import open_sandboxed
from pipelines.workspace import Workspace

TABLE = "table"
FILE_FORMATS = ("csv", "json", "jsonl", "parquet")
STANDARD_INPUT = "-"
WIDTH = 120  # without a terminal
MAX_TABLE_ROWS = 40
HIDDEN_COLUMNS = "│ … │"  # DuckDB reports columns that it leaves out in its header only


def _named_files(_: click.Context, __: click.Parameter, value: Sequence[str]) -> dict[str, Path]:
    files = {}
    for text in value:
        name, equals, file = text.partition("=")
        if not (equals and file and re.fullmatch(r"[A-Za-z_]\w*", name)):
            raise click.BadParameter(f"{text!r} is not NAME=FILE, for example hr=hr.csv")
        if name.lower() in files:
            raise click.BadParameter(f"{name} is given twice; rename one")
        files[name.lower()] = Path(file)
    return files


@click.command()
@click.argument("query")
@click.option("--at", metavar="SNAPSHOT|TIME", help="The inventory as of a snapshot or a time")
@click.option(
    "--integration",
    help="Integration of the snapshot; in an object store, of the file",
)
@click.option(
    "--format",
    "form",
    type=click.Choice([TABLE, *FILE_FORMATS]),
    help=f"Default: that of --output's name, or {TABLE}",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write; default: standard output, except for Parquet",
)
@click.option(
    "--with",
    "files",
    multiple=True,
    metavar="NAME=FILE",
    callback=_named_files,
    help="CSV, JSON or Parquet file to query as the table NAME",
)
@pass_data_dir
def sql(  # noqa: PLR0913 -- one for each option
    workspace: Workspace,
    query: str,
    at: str | None,
    integration: str | None,
    *,
    form: str | None,
    output: Path | None,
    files: Mapping[str, Path],
) -> None:
    """Answer an SQL QUERY about the published inventory; - reads it from standard input.

    It cannot change the inventory or access another file. Columns of a CSV file are text.
    """
    form = _choose_format(form, output)
    if query == STANDARD_INPUT:
        query = sys.stdin.read()
    with (
        open_file(workspace, at, integration) as path,
        output_file_or_stdout(output) as file,
        open_sandboxed(path, file, files) as connection,
    ):
        relation = connection.sql(query)
        if relation is None:
            raise InventoryError("there is no query; give a SELECT")
        _write(connection, relation, form, file)


def _choose_format(form: str | None, output: Path | None) -> str:
    if output is None:
        if form == "parquet":
            raise click.UsageError("--format parquet needs --output FILE")
        return form or TABLE
    form = form or output.suffix.lower().removeprefix(".")
    if form not in FILE_FORMATS:
        choices = ", ".join(FILE_FORMATS)
        raise click.UsageError(f"{output}: the format is not known; add --format ({choices})")
    return form


def _write(
    connection: duckdb.DuckDBPyConnection,
    relation: duckdb.DuckDBPyRelation,
    form: str,
    file: Path,
) -> None:
    if form != TABLE:
        # Loads pyarrow, which a table does not need.
        from pipelines.export.query_results import write_result  # noqa: PLC0415

        write_result(connection, relation, form, file)
        return
    width = shutil.get_terminal_size((WIDTH, 0)).columns
    text = StringIO()
    with redirect_stdout(text):
        relation.show(max_width=width, max_rows=MAX_TABLE_ROWS)
    if HIDDEN_COLUMNS in text.getvalue().partition("┐\n")[2].partition("\n")[0]:
        text = StringIO("\n".join([*_expand(relation, width), ""]))
    file.write_text(text.getvalue(), encoding="utf-8")


def _expand(relation: duckdb.DuckDBPyRelation, width: int) -> Iterator[str]:
    from pipelines.export.query_results import as_text  # noqa: PLC0415 -- as above

    cells = ", ".join(
        f"coalesce(({as_text(f'#{number}', kind.id)})::VARCHAR, 'NULL')"
        for number, kind in enumerate(relation.types, start=1)
    )
    rows = relation.limit(MAX_TABLE_ROWS + 1).project(cells).fetchall()
    columns = [printable(name) for name in relation.columns]
    shown = ([printable(value) for value in row] for row in rows[:MAX_TABLE_ROWS])
    yield from expanded_rows(columns, shown, width)
    if not rows:
        yield "0 rows"
    if len(rows) > MAX_TABLE_ROWS:
        yield f"The first {MAX_TABLE_ROWS} rows; --format csv or json has all."


@contextmanager
def open_file(workspace: Workspace, at: str | None, integration: str | None) -> Iterator[Path]:
    """Yield the DuckDB file of `inventory_file`, and print the snapshots in it."""
    with inventory_file(workspace, at, integration) as file:
        for manifest in file.snapshots:
            click.echo(f"{manifest.integration.name}: {manifest.snapshot_id}", err=True)
        for note in file.notes:
            click.echo(note, err=True)
        yield file.path


def expanded_rows(
    columns: Sequence[str], rows: Iterable[Sequence[str]], width: int
) -> Iterator[str]:
    """Yield rows with each column on a line of its own, like psql's expanded display.

    Args:
        columns: names of the columns.
        rows: texts of the cells of each row.
        width: width of the heading of a row, in characters.
    """
    longest = max(map(len, columns), default=0)
    for number, row in enumerate(rows, start=1):
        yield f"─[ {number} ]".ljust(width, "─")
        for name, value in zip(columns, row, strict=True):
            yield f"{name:<{longest}} │ {value}"
