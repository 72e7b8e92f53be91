"""The command `run`: pull and publish, and send alerts."""

import gc
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection

import click
from sqlalchemy.exc import SQLAlchemyError

from assets_defs.asset_keys import AssetKeys
from assets_defs.assets.integration_status import report_status
from assets_defs.cli.main import INTERRUPTED
from assets_defs.cli.options import (
    choose_integrations,
    explained_errors,
    pass_workspace,
    print_shared_home,
)
from assets_defs.cli.summary import print_summary
from assets_defs.console import CONSOLE, TERMINAL
from assets_defs.definitions import build_code_location
from assets_defs.runs.alerting import AlertRecord, send_success
from assets_defs.runs.failures import is_interrupt, step_failure_message
from assets_defs.runs.foreground import run_in_process
from assets_defs.runs.instance import (
    is_shared_home,
    limit_concurrent_runs,
    open_instance,
    prepare_instance,
)
from assets_defs.runs.ownership import OwnRuns
from assets_defs.runs.retention import MAX_RUN_AGE, purge_runs
from pipelines.alerts.alert import failure_alert
from pipelines.alerts.send import describe, send_failure
from pipelines.config.credentials import load_credentials
from pipelines.config.integration import Integration
from pipelines.config.settings import Settings
from pipelines.errors import InventoryError, printable
from pipelines.publish.notes import describe_shared_organizations, describe_unconfigured
from pipelines.publish.publisher import combine
from pipelines.storage.disk_errors import explain_output
from pipelines.workspace import Workspace

MAX_PURGED_RUNS = 10
KILLED = "its process was killed"
UNEXPECTED = "its process ended unexpectedly; `jumpcloud-inventory run {name}` shows the cause"


@click.command()
@click.argument("names", nargs=-1)
@click.option("--accept-removals", is_flag=True, help="Publish although many assets vanished")
@pass_workspace
def run(workspace: Workspace, names: Sequence[str], *, accept_removals: bool) -> None:
    """Pull and publish integrations: those NAMED, or all that are enabled."""
    settings = workspace.settings()
    prepare_instance(workspace)
    print_shared_home(workspace)
    limit_concurrent_runs(workspace, settings.max_parallel_runs)
    chosen = choose_integrations(workspace, settings, names)
    if len(chosen) > 1:
        published = _run_many(
            workspace, chosen, settings.max_parallel_runs, accept_removals=accept_removals
        )
    else:
        published = _run_only(workspace, chosen[0], [], accept_removals=accept_removals)
    if published or _may_have_published(workspace, settings):
        combine(workspace)
        # The run itself has warned, except with an object store.
        shared = describe_shared_organizations(workspace) if workspace.url else ()
        for note in chain(describe_unconfigured(workspace), shared):
            click.echo(note, err=True)
    if published < len(chosen):
        sys.exit(1)


def _may_have_published(workspace: Workspace, settings: Settings) -> bool:
    """Return True if runs can have published before they failed in an export."""
    return bool(settings.exports) and bool(workspace.open_history().snapshots())


def _run_only(
    workspace: Workspace,
    integration: Integration,
    messages: list[str],
    sender: Connection | None = None,
    *,
    accept_removals: bool,
) -> bool:
    def fail(message: str) -> None:
        messages.append(message)
        _alert(workspace, integration.name, message, messages)

    with explained_errors(workspace.root, fail):
        load_credentials(integration)
        return run_one(
            workspace, integration.name, messages, sender, accept_removals=accept_removals
        )


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Attributes:
        run_id: Dagster's id of the run.
        failure: message of the failure; empty after a success.
        interrupted: True after Ctrl-C.
        committed: True if its snapshot is in the history; None if the history cannot be read.
        published: True if its DuckDB file is published, too.
    """

    run_id: str
    failure: str
    interrupted: bool
    committed: bool | None
    published: bool


def run_one(
    workspace: Workspace,
    name: str,
    messages: list[str],
    sender: Connection | None = None,
    *,
    accept_removals: bool = False,
) -> bool:
    """Pull and publish an integration in this process; return True if it succeeded.

    Args:
        workspace: where the inventory is.
        name: name of the integration.
        messages: takes the messages of a failure.
        sender: sends them after an interrupt, which ends the process.
        accept_removals: True to publish although many assets vanished.
    """
    click.echo(f"{name}: pulling", err=True)
    result = _refresh(workspace, name, accept_removals=accept_removals)
    if result.published:
        print_summary(name, workspace.inventory_file(name), workspace.report_file(name))
    if not result.failure:
        with open_instance(workspace) as instance:
            outcome = send_success(instance, workspace, name, {result.run_id})
        if outcome:
            click.echo(f"{name}: alert {printable(outcome)}", err=True)
        return True
    for message in (result.failure, _describe_published(workspace, name, result)):
        click.echo(f"{name}: {message}", err=True)
        messages.append(message)
    if result.interrupted:
        # As Ctrl-C does, without waiting for responses to calls in progress.
        if sender:
            sender.send(messages)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)
    _alert(workspace, name, result.failure, messages, result.run_id)
    return False


def _refresh(workspace: Workspace, integration: str, *, accept_removals: bool) -> RunResult:
    """Materialize every asset of an integration in a Dagster run in this process."""
    with _captured_stderr() as output, open_instance(workspace) as instance:
        if not is_shared_home(workspace):
            # Where no daemon runs, nothing else deletes them.
            purge_runs(
                OwnRuns(instance, AssetKeys(workspace.prefix)),
                datetime.now(UTC) - MAX_RUN_AGE,
                MAX_PURGED_RUNS,
            )
        run_id, events = run_in_process(
            build_code_location(workspace),
            instance,
            integration,
            {
                "loggers": {TERMINAL: {}},
                "ops": {"tables": {"config": {"accept_removals": accept_removals}}},
            },
        )
        failures = [event for event in events if event.is_step_failure]
        interrupted = any(map(is_interrupt, failures))
        if failures and not interrupted:
            report_status(instance, workspace, instance.report_runless_asset_event)
        if failures and explain_output(output.getvalue(), workspace.root):
            output.truncate(0)  # the message of the failure explains it
    return RunResult(
        run_id,
        failure="\n".join(step_failure_message(event, workspace.root) for event in failures),
        interrupted=interrupted,
        committed=_is_committed(workspace, integration, run_id),
        published=any(
            event.asset_key == AssetKeys(workspace.prefix).inventory_duckdb
            for event in events
            if event.is_step_materialization
        ),
    )


@contextmanager
def _captured_stderr() -> Iterator[io.StringIO]:
    """Hold back the output of Dagster until the end; drop it after an exception."""
    output = io.StringIO()
    CONSOLE.file = sys.stderr
    with redirect_stderr(output):
        yield output
    sys.stderr.write(output.getvalue())


def _is_committed(workspace: Workspace, integration: str, run_id: str) -> bool | None:
    try:
        latest = workspace.open_history().latest(integration)
    except InventoryError:
        return None
    return latest is not None and latest.run_id == run_id


def _describe_published(workspace: Workspace, name: str, result: RunResult) -> str:
    if result.published:
        return (
            "the inventory is published; only the export is missing. Fix the cause: the next run "
            "exports again, and so does the asset in the UI"
        )
    if result.committed:
        remedy = f"run {name}" if workspace.url else "rebuild"
        location = workspace.location(workspace.inventory_file(name))
        return (
            f"the snapshot is in the history, but {location} could not be updated; fix the cause "
            f"and run `jumpcloud-inventory {remedy}`"
        )
    if result.committed is None:
        return "the history cannot be read, so it may be published; what was published before stays"
    return "nothing was published; what was published before stays"


def _run_many(
    workspace: Workspace, chosen: Sequence[Integration], limit: int, *, accept_removals: bool
) -> int:
    """Pull and publish integrations in processes of their own; return the number of successes."""
    click.echo(f"{len(chosen)} integrations, {limit} at once", err=True)
    published = 0
    results = _run_in_processes(workspace, chosen, limit, accept_removals=accept_removals)
    for done, (name, code, messages) in enumerate(results, 1):
        published += code == 0
        # The output of an unexpected end may contain secrets, so it is not repeated.
        unexpected = KILLED if code < 0 else UNEXPECTED.format(name=name)
        lines = ["published"] if code == 0 else messages or [unexpected]
        for line in (line for message in lines for line in message.splitlines()):
            click.echo(f"[{done} of {len(chosen)}] {name}: {line}", err=True)
        if code != 0 and not messages:
            _alert(workspace, name, unexpected)
    location = workspace.location(workspace.inventory_file())
    click.echo(f"{published} of {len(chosen)} integrations published: {location}")
    return published


def _run_in_processes(
    workspace: Workspace, chosen: Sequence[Integration], limit: int, *, accept_removals: bool
) -> Iterator[tuple[str, int, list[str]]]:
    """Run each integration in a process of its own.

    So one that fails, hangs or is killed does not affect the others.

    Yields:
        As each process ends: name, exit code (below 0 if it was killed), and the messages of its
        failure, if it could report them.
    """
    # Dagster creates its databases now, not in several processes at the same time.
    open_instance(workspace).dispose()
    # A collection in a child must not copy the memory that it shares with this process.
    gc.freeze()
    waiting, working = [*reversed(chosen)], list[_Child]()
    while waiting or working:
        while waiting and len(working) < limit:
            working.append(_Child(workspace, waiting.pop(), accept_removals=accept_removals))
        ready = connection.wait([child.messages for child in working])
        for child in [one for one in working if one.messages in ready]:
            working.remove(child)
            yield child.end()


class _Child:
    """The process of a run: a fork of this one, which has imported everything, or a new one.

    Other systems than Linux may not fork a process that has loaded their libraries, and the library
    of object stores has threads.

    Attributes:
        messages: has the messages of a failure, or is closed, when the run has ended.
    """

    def __init__(
        self, workspace: Workspace, integration: Integration, *, accept_removals: bool
    ) -> None:
        self._name = integration.name
        may_fork = sys.platform == "linux" and not workspace.url
        processes = get_context("fork") if may_fork else get_context("spawn")
        self.messages, sender = processes.Pipe(duplex=False)
        run_child = partial(_run_child, accept_removals=accept_removals)
        self._process = processes.Process(target=run_child, args=(workspace, integration, sender))
        self._process.start()
        sender.close()

    def end(self) -> tuple[str, int, list[str]]:
        """Return name, exit code and messages of a process that ends."""
        messages: list[str] = []
        with self.messages, suppress(EOFError):  # it was killed
            messages = self.messages.recv()
        self._process.join()
        return self._name, self._process.exitcode or 0, messages


def _run_child(
    workspace: Workspace, integration: Integration, sender: Connection, *, accept_removals: bool
) -> None:
    """Run an integration without output, and send the messages of its failure."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    messages: list[str] = []
    try:
        published = _run_only(
            workspace, integration, messages, sender, accept_removals=accept_removals
        )
    finally:
        sender.send(messages)
    sys.exit(0 if published else 1)


def _alert(
    workspace: Workspace, name: str, cause: str, messages: list[str] | None = None, run_id: str = ""
) -> None:
    """Send a failure to the alert targets of the settings, and print the outcome.

    Dagster's sensor skips the runs of the terminal.
    """
    outcomes = send_failure(failure_alert(name, cause, run_id), workspace)
    if not outcomes:
        return
    message = f"alert {printable(describe(outcomes))}"
    click.echo(f"{name}: {message}", err=True)
    if messages is not None:
        messages.append(message)
    # What failed may be the instance itself.
    with suppress(InventoryError, OSError, SQLAlchemyError), open_instance(workspace) as instance:
        AlertRecord(instance, workspace, name).add_failed(outcomes)
