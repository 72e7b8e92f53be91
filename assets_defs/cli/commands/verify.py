"""The command `verify`: check that the history and the published files are as they were written."""

from collections.abc import Iterator, Sequence

import click

from assets_defs.cli.options import pass_data_dir
from pipelines.errors import InventoryError, printable
from pipelines.history.verification import Verification, verify_history
from pipelines.publish.access import select_published
from pipelines.publish.verification import verify_published_files
from pipelines.temporary import temporary_folder
from pipelines.workspace import Workspace


@click.command()
@click.argument("names", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All integrations, as without a NAME")
@click.option(
    "--head",
    "heads",
    multiple=True,
    metavar="SHA256",
    help="Head of a history, kept elsewhere, that must still be in it; may be repeated",
)
@pass_data_dir
def verify(
    workspace: Workspace, names: Sequence[str], heads: Sequence[str], *, every: bool
) -> None:
    """Verify the files of integrations: those NAMED, or all, with their whole history.

    Prints a line for each damaged file, and exits with 1 if there is one.
    """
    if names and every:
        raise click.UsageError("--all takes no NAME")
    problems = 0
    with temporary_folder() as copies:
        history = workspace.open_history(copies)
        chosen = select_published(history, names)
        results = [verify_history(history, name) for name in chosen]
        foreign = history.foreign_entries()
    for result in results:
        problems += len(result.problems)
        for line in (*result.problems, *_describe(result)):
            click.echo(printable(line))
    for path in foreign:
        problems += 1
        click.echo(printable(f"{history.location}/{path}: not of an integration"))
    for line in verify_published_files(workspace, chosen if names else [None, *chosen]):
        problems += 1
        click.echo(printable(line))
    for head in heads:
        found, line = _find(head.strip().lower(), results)
        problems += not found
        click.echo(line)
    if problems:
        raise InventoryError(
            f"{history.location}: not as it was written: {_count(problems, 'problem')}, listed "
            "above. Restore what is damaged from a backup, then verify again"
        )


def _describe(result: Verification) -> Iterator[str]:
    ids, name = result.snapshot_ids, result.integration
    state = _count(len(result.problems), "problem") if result.problems else "intact"
    period = f"{_count(len(ids), 'snapshot')} from {ids[0]} to {ids[-1]}"
    yield f"{name}: {period}, {_count(result.files, 'file')}: {state}"
    if result.unchained:
        yield (
            f"{name}: the chain of manifests begins at {ids[result.unchained]}; an earlier version "
            f"wrote {_count(result.unchained, 'snapshot')} before it without one"
        )
    yield f"{name}: head {result.head or 'unknown'}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _find(head: str, results: Sequence[Verification]) -> tuple[bool, str]:
    """Return True if a manifest has this digest, and a line for people."""
    for result in results:
        covered = result.covered_snapshots(head)
        if covered:
            return True, (
                f"{head}: the head of {result.integration} at {covered[-1]}, which covers "
                f"{_count(len(covered), 'snapshot')} from {covered[0]}"
            )
    names = ", ".join(result.integration for result in results)
    return False, (
        f"{head}: no manifest of {names} has this SHA-256: the history was changed since, or the "
        "head is of another one"
    )
