"""The command `review`: access reviews, from the workbooks to the removals that followed."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import click

from assets_defs.cli.commands.sql import open_file
from assets_defs.cli.options import pass_data_dir, pass_workspace
from pipelines.errors import InventoryError, SettingsError, printable
from pipelines.export.output_file import output_file
from pipelines.publish.access import fetch_file, select_published
from pipelines.publish.publisher import refresh_file
from pipelines.publish.reader import open_bounded
from pipelines.reviews.population import freeze_population, read_population
from pipelines.reviews.progress import Progress, list_reviews, read_progress
from pipelines.reviews.store import Kind
from pipelines.reviews.summary import render_summary
from pipelines.reviews.workbook import write_workbooks
from pipelines.sql import in_memory
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace


@click.group()
def review() -> None:
    """Review who has access: workbooks, the decisions in them, and what came of these."""


@review.command()
@click.option(
    "--by",
    "kind",
    type=click.Choice(get_args(Kind)),
    required=True,
    help="One workbook for each manager, application or system group; sudo: one for all sudo",
)
@click.option("--integration", help="The integration to review, if there are several")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="New directory for the workbooks (default: review- and the id)",
)
@pass_workspace
def create(workspace: Workspace, kind: Kind, integration: str | None, output: Path | None) -> None:
    """Write a workbook for each reviewer, of the latest snapshot.

    The population is stored next to the history, so that it outlives the snapshot.
    """
    name = _choose(workspace, integration)
    with open_bounded(fetch_file(workspace, name)) as connection:
        facts = freeze_population(connection, name, kind)
        items = read_population(connection, name, kind)
    if not items.num_rows:
        raise InventoryError(f"{name}: there is no access to review by {kind}")
    reviews = workspace.open_reviews()
    facts = facts.model_copy(update={"items": items.num_rows})
    with locked(workspace.publication_lock(name)):
        stored = reviews.create(name, facts, items)
        del items
        folder = output or Path(f"review-{stored.facts.review_id}")
        try:
            with _new_folder(folder) as scratch, in_memory() as connection:
                count = len(write_workbooks(connection, stored, scratch))
        except BaseException:
            reviews.discard(stored)
            raise
        refresh_file(workspace, name)
    click.echo(
        f"{stored.facts.review_id}: {facts.items:,} accesses of snapshot {facts.snapshot_id}, "
        f"{count:,} workbooks in {folder}"
    )


def _choose(workspace: Workspace, integration: str | None) -> str:
    names = select_published(workspace.open_history(), [integration] if integration else [])
    if len(names) > 1:
        raise SettingsError(
            f"a review is of one integration; there are: {', '.join(names)}. Choose one with "
            "--integration"
        )
    return names[0]


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes this one unless an error occurs.

    Raises:
        InventoryError: it exists, or cannot be written.
    """
    if folder.exists() or not folder.absolute().parent.is_dir():
        raise InventoryError(f"{folder}: name a new directory in one that exists")
    scratch = folder.with_name(f".{folder.name}.new")
    try:
        scratch.mkdir(mode=0o700)
        yield scratch
        scratch.rename(folder)
    except OSError as error:
        raise InventoryError(f"{folder}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@review.command("import")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@pass_workspace
def import_(workspace: Workspace, files: Sequence[Path]) -> None:
    """Import the decisions of returned workbooks; of one reviewer, the last one counts.

    Nothing is imported unless every FILE has exactly the rows that were written.
    """
    from pipelines.reviews.returned_workbook import read_returned  # noqa: PLC0415 -- a reader of workbooks

    reviews = workspace.open_reviews()
    known, now = reviews.reviews(), datetime.now(UTC)
    # A time of its own for each, in order: of one reviewer, the last file counts.
    times = [now + timedelta(microseconds=number) for number in range(len(files))]
    returned = [read_returned(*one, known) for one in zip(files, times, strict=True)]
    changed: dict[str, None] = {}
    for path, one in zip(files, returned, strict=True):
        if one.rows.num_rows:
            reviews.add_decisions(one.review, one.rows, one.decided_at)
            changed[one.review.integration] = None
        click.echo(
            f"{path}: review {one.review.facts.review_id}: {one.rows.num_rows:,} of "
            f"{one.count:,} decided"
        )
    for name in changed:
        with locked(workspace.publication_lock(name)):
            refresh_file(workspace, name)


@review.command()
@click.argument("review_id", required=False, metavar="[REVIEW]")
@click.option("--integration", help="Only its reviews; in an object store, of its file")
@pass_data_dir
def status(workspace: Workspace, review_id: str | None, integration: str | None) -> None:
    """Show the reviews, or one REVIEW with its reviewers: decided of all, removed, returned."""
    with open_file(workspace, None, integration) as file, open_bounded(file) as connection:
        found = list_reviews(connection, integration, review_id)
        for one in found:
            click.echo(
                f"{one.review_id}: {one.integration} by {one.reviewed_by}, "
                f"snapshot {one.snapshot_id}: {_describe(one.total)}"
            )
            for reviewer in read_progress(connection, one) if review_id else ():
                click.echo(f"  {printable(reviewer.name)}: {_describe(reviewer)}")
    if not found:
        click.echo("no review was created yet", err=True)


def _describe(progress: Progress) -> str:
    parts = [f"{progress.decided:,} of {progress.items:,} decided"]
    if progress.to_remove:
        parts.append(f"{progress.removed:,} of {progress.to_remove:,} removed")
    if progress.returned:
        parts.append(f"{progress.returned:,} returned")
    return ", ".join(parts)


@review.command()
@click.argument("review_id", metavar="REVIEW")
@click.option("--integration", help="Its integration; in an object store, of the file")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The page (default: review-, the id and .html)",
)
@pass_data_dir
def summary(
    workspace: Workspace, review_id: str, integration: str | None, output: Path | None
) -> None:
    """Write the summary of a REVIEW for auditors: one HTML page that loads nothing."""
    with open_file(workspace, None, integration) as file, open_bounded(file) as connection:
        (found,) = list_reviews(connection, integration, review_id)
        page = render_summary(connection, found)
    path = output or Path(f"review-{review_id}.html")
    with output_file(path) as temporary:
        temporary.touch(mode=0o600)
        temporary.write_text(page, encoding="utf-8")
    click.echo(path)
