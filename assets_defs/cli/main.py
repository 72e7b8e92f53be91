"""The command `jumpcloud-inventory`."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import nullcontext, suppress
from pathlib import Path

import click

from assets_defs.cli.check import check
from assets_defs.cli.demo import HOME as DEMO_HOME
from assets_defs.cli.demo import NAME as DEMO_NAME
from assets_defs.cli.demo import simulated_organization
from assets_defs.cli.export import export
from assets_defs.cli.forget import forget
from assets_defs.cli.integrations import add, disable, enable
from assets_defs.cli.options import (
    config_option,
    data_dir_option,
    errors_in_words,
    set_data_dir,
    set_environment,
)
from assets_defs.cli.query import diff, sql
from assets_defs.cli.remote import combine, fetch
from assets_defs.cli.run import run, run_one
from assets_defs.cli.status import status
from assets_defs.cli.summary import print_examples
from assets_defs.runs.instance import limit_runs_at_once
from pipelines.config.environment import KEY_VARIABLE, home
from pipelines.config.settings import load_settings
from pipelines.errors import InventoryError
from pipelines.publish.publisher import rebuild_file
from pipelines.workspace import history, published_file, report_file

UI_PORT = 3000


@click.group()
def main() -> None:
    """A complete, read-only inventory of JumpCloud organizations, as one DuckDB file."""


for command in (
    add,
    check,
    combine,
    diff,
    disable,
    enable,
    export,
    fetch,
    forget,
    run,
    sql,
    status,
):
    main.add_command(command)


@main.command()
@data_dir_option
def demo(data_dir: str | None) -> None:
    """Pull a simulated organization; needs no key."""
    with errors_in_words():
        set_data_dir(data_dir)
        set_environment(None, str(home() / DEMO_HOME))
        with simulated_organization(home()):
            succeeded = run_one(DEMO_NAME)
        if succeeded:
            print_examples(published_file())
    sys.exit(0 if succeeded else 1)


@main.command()
@data_dir_option
def rebuild(data_dir: str | None) -> None:
    """Make the DuckDB file anew from the history, as it was published, and its report."""
    with errors_in_words():
        set_environment(None, data_dir)
        if not history().snapshots():
            raise InventoryError(f"{history().location}: there is no snapshot to rebuild from")
        rebuild_file()
        click.echo(f"DuckDB file: {published_file()}\nReport: {report_file()}")


@main.command()
@config_option
@data_dir_option
@click.option("--port", default=UI_PORT, show_default=True, help="The next free port is taken")
def ui(config: Path | None, data_dir: str | None, port: int) -> None:
    """Open the Dagster UI, with the schedules running; the demo's where nothing is set."""
    with errors_in_words():
        is_demo = config is None and not os.environ.get(KEY_VARIABLE)
        set_data_dir(data_dir)
        set_environment(config, str(home() / DEMO_HOME) if is_demo else None)
        limit_runs_at_once(load_settings().max_parallel_runs)
        with simulated_organization(home()) if is_demo else nullcontext():
            port = _free_port(port)
            click.echo(f"Dagster UI: http://127.0.0.1:{port}  (data: {home()}; Ctrl-C ends it)")
            sys.exit(_serve_ui(port))


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
