"""The command `run`: pull and publish, and tell the webhook of what failed."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from pathlib import Path

import click

from assets_defs.cli.execute import RunResult, refresh
from assets_defs.cli.options import (
    chosen_integrations,
    config_option,
    data_dir_option,
    errors_in_words,
    set_environment,
)
from assets_defs.cli.summary import print_summary
from assets_defs.console import printable
from assets_defs.runs.instance import limit_runs_at_once, open_instance
from pipelines.config.credentials import load_credentials
from pipelines.config.environment import object_store_url
from pipelines.config.settings import load_settings
from pipelines.notifications import UNWANTED, failure_alert, post
from pipelines.publish.publisher import combine
from pipelines.storage.locks import release
from pipelines.workspace import published_file, published_place, report_file, run_lock


def run_in_processes(
    integrations: Sequence[str], options: Sequence[str], at_once: int
) -> Iterator[tuple[str, int, list[str]]]:
    """Run `jumpcloud-inventory run` for each integration in a process of its own.

    So that one that fails, hangs or is killed takes no other with it. Needs `prepare_home`.

    Args:
        integrations: their names.
        options: options for every run.
        at_once: processes under way at once, at most.

    Yields:
        As each ends: its name, its exit code, below 0 where it was killed, and in lines why it was
        not published; none where it could not say.
    """
    # Dagster makes its databases now, not in several processes at the same time.
    with open_instance(), ThreadPoolExecutor(at_once) as pool:
        runs = {pool.submit(_run, name, options): name for name in integrations}
        for done in as_completed(runs):
            name = runs[done]
            ended = done.result()
            lines = ended.stderr.splitlines()
            said = [line for line in lines if line.startswith((f"{name}: ", "Error: "))]
            why = [line.removeprefix(f"{name}: ") for line in said if line != f"{name}: pulling"]
            yield name, ended.returncode, why


def _run(name: str, options: Sequence[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "assets_defs", "run", name, *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 -- fixed


INTERRUPTED = 130  # what a shell reports after Ctrl-C
KILLED = "its process was killed"
UNEXPECTED = "its process ended unexpectedly; `jumpcloud-inventory run {name}` alone shows how"


@click.command()
@click.argument("names", nargs=-1)
@config_option
@data_dir_option
@click.option("--accept-removals", is_flag=True, help="Publish although many assets vanished")
@click.option("--one-of-many", is_flag=True, hidden=True)
def run(
    names: Sequence[str],
    config: Path | None,
    data_dir: str | None,
    *,
    accept_removals: bool,
    one_of_many: bool,
) -> None:
    """Pull and publish integrations: those NAMED, or all that are enabled."""
    with errors_in_words():
        set_environment(config, data_dir)
        settings = load_settings()
        limit_runs_at_once(settings.max_parallel_runs)
        chosen = chosen_integrations(settings, names)
        if len(chosen) == 1:
            (only,) = chosen
            with errors_in_words(partial(_alert, only.name)):
                load_credentials(only)
                published = int(run_one(only.name, accept_removals=accept_removals))
        else:
            options = ["--one-of-many", *(["--accept-removals"] if accept_removals else [])]
            published = _run_many(
                [each.name for each in chosen], options, settings.max_parallel_runs
            )
        if published and not one_of_many:
            combine()
    if published < len(chosen):
        sys.exit(1)


def run_one(name: str, *, accept_removals: bool = False) -> bool:
    """Pull and publish an integration in this process; whether that succeeded."""
    click.echo(f"{name}: pulling", err=True)
    result = refresh(name, accept_removals=accept_removals)
    if result.failure:
        click.echo(f"{name}: {result.failure}", err=True)
        click.echo(f"{name}: {_what_stays(name, result)}", err=True)
        if result.was_interrupted:
            _leave_at_once()
        _alert(name, result.failure, result.run_id)
        return False
    print_summary(name, published_file(name), report_file(name))
    return True


def _run_many(names: Sequence[str], options: Sequence[str], at_once: int) -> int:
    """Pull and publish integrations, each in a process of its own; how many succeeded."""
    click.echo(f"{len(names)} integrations, {at_once} at once", err=True)
    published = 0
    for done, (name, code, said) in enumerate(run_in_processes(names, options, at_once), 1):
        published += code == 0
        # What an unexpected end printed may hold anything, so it is not repeated.
        unsaid = KILLED if code < 0 else UNEXPECTED.format(name=name)
        for line in ["published"] if code == 0 else said or [unsaid]:
            click.echo(f"[{done} of {len(names)}] {name}: {line}", err=True)
        if code != 0 and not said:
            _alert(name, unsaid)
    click.echo(
        f"{published} of {len(names)} integrations published: {published_place(published_file())}"
    )
    return published


def _alert(name: str, cause: str, run_id: str = "") -> None:
    """Post a failure where the settings name a webhook, and say what became of that.

    The UI posts those of its own runs only.
    """
    # The next run of the integration need not wait for the webhook.
    release(run_lock(name))
    said = post(failure_alert(name, cause, run_id))
    if said != UNWANTED:
        click.echo(f"{name}: alert {printable(said)}", err=True)


def _what_stays(name: str, result: RunResult) -> str:
    if result.was_committed:
        remedy = f"run {name}" if object_store_url() else "rebuild"
        return (
            f"the snapshot is in the history, but {published_place(published_file(name))} "
            f"could not be renewed; mend the cause and run `jumpcloud-inventory {remedy}`"
        )
    if result.was_committed is None:
        return "whether it was published cannot be asked now; what was published before stays"
    return "nothing was published; what was published before stays"


def _leave_at_once() -> None:
    """Exit as Ctrl-C does, without waiting for answers that calls under way may still get."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
