"""The command `ui`: Dagster's UI and daemon."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from ipaddress import IPv4Address

import click

from assets_defs.cli.demo_organization import KEY_VARIABLE as DEMO_KEY_VARIABLE
from assets_defs.cli.demo_organization import simulated_organization
from assets_defs.cli.main import INTERRUPTED
from assets_defs.cli.options import pass_workspace
from assets_defs.runs.foreground import DEFINITIONS
from assets_defs.runs.instance import limit_concurrent_runs, prepare_instance
from pipelines.config.environment import DAGSTER_HOME_VARIABLE, KEY_VARIABLE
from pipelines.errors import InventoryError
from pipelines.workspace import Workspace

LOOPBACK = IPv4Address("127.0.0.1")
DEFAULT_PORT = 3000


@click.command()
@click.option(
    "--host",
    type=IPv4Address,
    metavar="ADDRESS",
    default=str(LOOPBACK),
    show_default=True,
    help="IPv4 address to listen on; the UI has no login: use 0.0.0.0 inside a container only",
)
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    help="Another free port is taken if it is in use",
)
@pass_workspace
def ui(workspace: Workspace, host: IPv4Address, port: int) -> None:
    """Open the Dagster UI, with the schedules running; without settings, on the demo."""
    is_demo = workspace.config is None and not os.environ.get(KEY_VARIABLE)
    if is_demo:
        workspace.make_root()
        workspace = workspace.demo()
    else:
        workspace.settings()  # wrong ones leave no directory behind
    prepare_instance(workspace)
    with simulated_organization(workspace) if is_demo else nullcontext() as key:
        limit_concurrent_runs(workspace, workspace.settings().max_parallel_runs)
        environment = {
            **workspace.environment,
            DAGSTER_HOME_VARIABLE: str(workspace.dagster_home),
            **({DEMO_KEY_VARIABLE: key} if key else {}),
        }
        port = _free_port(host, port)
        click.echo(f"Dagster UI: http://{host}:{port}  (data: {workspace.root}; Ctrl-C ends it)")
        if not host.is_loopback:
            click.echo(
                f"The UI listens on {host} and has no login: anyone who reaches port {port} can "
                "start runs and read the tables. Publish the port of a container on 127.0.0.1 only",
                err=True,
            )
        sys.exit(_serve_ui(host, port, environment))


def _serve_ui(host: IPv4Address, port: int, environment: Mapping[str, str]) -> int:
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev"]
    command += ["-m", DEFINITIONS, "-h", str(host), "-p", str(port)]
    command += ["--log-level", "warning"]
    # A shell lets a background job ignore Ctrl-C; Dagster would then ignore SIGTERM too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, env=environment) as process:  # noqa: S603 -- fixed
        # A service manager signals this process only.
        signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        interrupted = False
        while True:
            # Ctrl-C reaches the child as well: wait for its regular end.
            try:
                code = process.wait()
            except KeyboardInterrupt:
                interrupted = True
            else:
                return INTERRUPTED if interrupted else code


def _free_port(host: IPv4Address, preferred: int) -> int:
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((str(host), port))
            except OSError as error:
                cause = error.strerror
                continue
            return int(probe.getsockname()[1])
    raise InventoryError(f"the UI cannot listen on {host}: {cause}. Use --host {LOOPBACK}")
