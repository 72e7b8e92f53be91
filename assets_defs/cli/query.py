"""The commands that ask: `sql` the inventory, `diff` two snapshots."""

import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import click
import duckdb
import pyarrow as pa

from assets_defs.cli.diff_text import describe
from assets_defs.cli.options import config_option, data_dir_option, errors_in_words, set_data_dir
from assets_defs.cli.tables import expanded_rows
from assets_defs.console import printable
from pipelines.config.settings import load_settings
from pipelines.errors import InventoryError
from pipelines.export.output_file import output_file_or_stdout
from pipelines.export.query_results import (
    Relation,
    as_text,
    disable_async_writes,
    write_result,
)
from pipelines.export.xlsx import without_formula
from pipelines.history.diff import SnapshotDiff, diff_snapshots, select_snapshots
from pipelines.publish.publisher import inventory_file, list_manifests
from pipelines.publish.reader import open_sandboxed
from pipelines.workspace import history

TABLE = "table"
TEXT = "text"
CSV = "csv"
STANDARD_INPUT = "-"
WIDTH = 120  # where there is no terminal to ask
TABLE_ROWS = 40
LEFT_OUT = "…"  # stands for the columns that DuckDB leaves out


@click.command()
@click.argument("query")
@click.option("--at", metavar="SNAPSHOT", help="As it was published with this snapshot")
@click.option(
    "--integration",
    help="Whose snapshot is meant, where several have it; in an object store, whose file",
)
@click.option("--format", "form", type=click.Choice([TABLE, CSV, "json", "parquet"]), default=TABLE)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write; standard output without it, but for Parquet",
)
@data_dir_option
def sql(
    query: str,
    at: str | None,
    integration: str | None,
    form: str,
    output: Path | None,
    data_dir: str | None,
) -> None:
    """Answer an SQL QUERY about the published inventory, or - to read it from standard input.

    It can neither change the inventory nor touch another file.
    """
    if form == "parquet" and output is None:
        raise click.UsageError("--format parquet needs --output FILE")
    if query == STANDARD_INPUT:
        query = sys.stdin.read()
    with errors_in_words():
        set_data_dir(data_dir)
        with (
            inventory_file(at, integration) as path,
            output_file_or_stdout(output) as file,
            open_sandboxed(path, file) as connection,
        ):
            relation = connection.sql(query)
            if relation is None:
                raise InventoryError("there is no query; give a SELECT")
            _write(relation, form, file)


@click.command()
@click.argument("snapshots", nargs=-1, metavar="[SNAPSHOT [SNAPSHOT]]")
@click.option("--integration", help="Of this one only")
@click.option("--format", "form", type=click.Choice([TEXT, CSV, "json"]), default=TEXT)
@config_option
@data_dir_option
def diff(
    snapshots: Sequence[str],
    integration: str | None,
    form: str,
    config: Path | None,
    data_dir: str | None,
) -> None:
    """Print what changed: from a snapshot to the latest, or to another SNAPSHOT.

    Without one: from the last snapshot but one to the last, of each integration.
    """
    if len(snapshots) > 2:  # noqa: PLR2004 -- before and after
        raise click.UsageError("give two snapshots at most")
    with errors_in_words():
        set_data_dir(data_dir)
        left_out = load_settings(config).volatile_columns
        pairs = select_snapshots(list_manifests(integration), snapshots)
        differences = [
            diff_snapshots(history(), before, after, left_out) for before, after in pairs
        ]
        for each in differences:
            if each.not_compared:
                names, tables = each.after.integration.name, ", ".join(each.not_compared)
                click.echo(f"{names}: not compared, as not pulled both times: {tables}", err=True)
        if form == TEXT:
            for each in differences:
                for line in describe(each):
                    click.echo(line)
        else:
            _print_rows(differences, form)


def _write(relation: Relation, form: str, file: Path) -> None:
    if form != TABLE:
        write_result(relation, form, file)
        return
    width = shutil.get_terminal_size((WIDTH, 0)).columns
    text = StringIO()
    with redirect_stdout(text):
        relation.show(max_width=width, max_rows=TABLE_ROWS)
    if _lacks_columns(text.getvalue()):
        text = StringIO("\n".join([*_in_lines(relation, width), ""]))
    file.write_text(text.getvalue(), encoding="utf-8")


def _lacks_columns(table: str) -> bool:
    """Whether DuckDB left columns out of a table that would be too wide."""
    return LEFT_OUT in re.split(r" *│ *", table.partition("┐\n")[2].partition("\n")[0])


def _in_lines(relation: Relation, width: int) -> Iterator[str]:
    cells = ", ".join(
        f"coalesce(({as_text(f'#{number}', kind.id)})::VARCHAR, 'NULL')"
        for number, kind in enumerate(relation.types, start=1)
    )
    rows = relation.limit(TABLE_ROWS + 1).project(cells).fetchall()
    columns = [printable(each) for each in relation.columns]
    shown = ([printable(value) for value in row] for row in rows[:TABLE_ROWS])
    yield from expanded_rows(columns, shown, width)
    if len(rows) > TABLE_ROWS:
        yield f"The first {TABLE_ROWS} rows; --format csv or json has all."


def _print_rows(differences: Sequence[SnapshotDiff], form: str) -> None:
    with output_file_or_stdout(None) as file, duckdb.connect() as connection:
        disable_async_writes(connection)
        relation = connection.from_arrow(
            pa.concat_tables([each.to_table() for each in differences])
        )
        relation = relation.project(
            "* REPLACE (old_value::JSON AS old_value, new_value::JSON AS new_value)"
        )
        if form == CSV:
            relation = relation.project(f"* REPLACE ({without_formula('name')} AS name)")
        write_result(relation, form, file)
