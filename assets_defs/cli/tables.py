"""Show files and rows on the terminal."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from pipelines.publish.access import inventory_file
from pipelines.workspace import Workspace


@contextmanager
def open_file(
    workspace: Workspace, snapshot_id: str | None, integration: str | None
) -> Iterator[Path]:
    """Yield the DuckDB file as `inventory_file` does, and print the snapshots in it."""
    with inventory_file(workspace, snapshot_id, integration) as file:
        for manifest in file.snapshots:
            click.echo(f"{manifest.integration.name}: {manifest.snapshot_id}", err=True)
        yield file.path


def expanded_rows(
    columns: Sequence[str], rows: Iterable[Sequence[str]], width: int
) -> Iterator[str]:
    """Yield rows too wide for the terminal, with each column on a line, as psql's expanded display.

    Args:
        columns: names of the columns.
        rows: for each row, a text for each column.
        width: width of the heading of a row, in letters.
    """
    longest = max(map(len, columns), default=0)
    for number, row in enumerate(rows, start=1):
        yield f"─[ {number} ]".ljust(width, "─")
        for name, value in zip(columns, row, strict=True):
            yield f"{name:<{longest}} │ {value}"
