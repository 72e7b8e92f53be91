"""The command `jumpcloud-inventory`."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

import click

from assets_defs.check import check
from assets_defs.demo import NAME as DEMO_NAME
from assets_defs.demo import simulated_organization
from assets_defs.export import export
from assets_defs.forget import forget
from assets_defs.integrations import add, disable, enable
from assets_defs.parallel import refresh_each
from assets_defs.places import history, publication_lock, published_file
from assets_defs.queries import diff, sql
from assets_defs.run import RunResult, limit_runs_at_once, refresh
from assets_defs.status_command import status
from assets_defs.summary import print_examples, print_summary
from assets_defs.usage import (
    chosen_integrations,
    config_option,
    data_dir_option,
    errors_in_words,
    set_environment,
)
from pipelines.credentials import credentials_of
from pipelines.errors import InventoryError
from pipelines.load.duckdb_file import build_duckdb_file
from pipelines.locks import locked
from pipelines.settings import KEY_VARIABLE, home, load_settings

DEMO_HOME = "demo"
UI_PORT = 3000
INTERRUPTED = 130  # what a shell reports after Ctrl-C


@click.group()
def main() -> None:
    """A complete, read-only inventory of JumpCloud organisations, as one DuckDB file."""


for command in (add, check, diff, disable, enable, export, forget, sql, status):
    main.add_command(command)


@main.command()
@click.argument("names", nargs=-1)
@config_option
@data_dir_option
@click.option("--accept-removals", is_flag=True, help="Publish although many assets vanished")
def run(
    names: Sequence[str], config: Path | None, data_dir: Path | None, *, accept_removals: bool
) -> None:
    """Pull and publish integrations: those NAMED, or all that are enabled."""
    with errors_in_words():
        set_environment(config, data_dir)
        settings = load_settings()
        limit_runs_at_once(settings.max_parallel_runs)
        chosen = chosen_integrations(settings, names)
        if len(chosen) == 1:
            credentials_of(chosen[0])
            succeeded = _run_one(chosen[0].name, accept_removals=accept_removals)
        else:
            options = ["--accept-removals"] if accept_removals else []
            succeeded = _run_many(
                [each.name for each in chosen], options, settings.max_parallel_runs
            )
    if not succeeded:
        sys.exit(1)


@main.command()
@data_dir_option
def demo(data_dir: Path | None) -> None:
    """Pull a simulated organisation; needs no key."""
    with errors_in_words():
        set_environment(None, (data_dir or home()) / DEMO_HOME)
        with simulated_organization(home()):
            succeeded = _run_one(DEMO_NAME)
        if succeeded:
            print_examples(published_file())
    sys.exit(0 if succeeded else 1)


@main.command()
@data_dir_option
def rebuild(data_dir: Path | None) -> None:
    """Make the DuckDB file anew from the history, as it was published."""
    with errors_in_words():
        set_environment(None, data_dir)
        if not history().manifests():
            raise InventoryError(f"{history().root}: there is no snapshot to rebuild from")
        with locked(publication_lock()):
            build_duckdb_file(history(), published_file())
        click.echo(f"DuckDB file: {published_file()}")


@main.command()
@config_option
@data_dir_option
@click.option("--port", default=UI_PORT, show_default=True, help="The next free port is taken")
def ui(config: Path | None, data_dir: Path | None, port: int) -> None:
    """Open the Dagster UI, with the schedules running; the demo's where nothing is set."""
    with errors_in_words():
        is_demo = config is None and not os.environ.get(KEY_VARIABLE)
        data_dir = data_dir or home()
        set_environment(config, data_dir / DEMO_HOME if is_demo else data_dir)
        limit_runs_at_once(load_settings().max_parallel_runs)
        with simulated_organization(home()) if is_demo else nullcontext():
            port = _free_port(port)
            click.echo(f"Dagster UI: http://127.0.0.1:{port}  (data: {home()}; Ctrl-C ends it)")
            sys.exit(_serve_ui(port))


def _run_one(name: str, *, accept_removals: bool = False) -> bool:
    click.echo(f"{name}: pulling", err=True)
    result = refresh(name, accept_removals=accept_removals)
    if result.failure:
        click.echo(f"{name}: {result.failure}", err=True)
        click.echo(f"{name}: {_what_stays(result)}", err=True)
        if result.was_interrupted:
            _leave_at_once()
        return False
    print_summary(name, published_file())
    return True


def _run_many(names: Sequence[str], options: Sequence[str], at_once: int) -> bool:
    click.echo(f"{len(names)} integrations, {at_once} at once", err=True)
    published = 0
    for done, (name, succeeded, said) in enumerate(refresh_each(names, options, at_once), 1):
        published += succeeded
        words = ["published"] if succeeded else [line.removeprefix(f"{name}: ") for line in said]
        for line in words:
            click.echo(f"[{done} of {len(names)}] {name}: {line}", err=True)
    click.echo(f"{published} of {len(names)} integrations published: {published_file()}")
    return published == len(names)


def _what_stays(result: RunResult) -> str:
    if result.was_committed:
        return (
            f"the snapshot is in the history, but {published_file()} could not be renewed; "
            "mend the cause and run `jumpcloud-inventory rebuild`"
        )
    return "nothing was published; what was published before stays"


def _leave_at_once() -> None:
    """Exit as Ctrl-C does, without waiting for answers that calls under way may still get."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)


def _serve_ui(port: int) -> int:
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev"]
    command += ["-m", "assets_defs.definitions", "-h", "127.0.0.1", "-p", str(port)]
    # A shell starts a background job with Ctrl-C ignored; Dagster would then ignore SIGTERM too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen([*command, "--log-level", "warning"]) as process:  # noqa: S603 -- fixed
        # A service manager tells only us.
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while True:
            # Ctrl-C reaches the child as well: wait for it to end in order.
            with suppress(KeyboardInterrupt):
                return process.wait()


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise InventoryError("no free port on 127.0.0.1")
