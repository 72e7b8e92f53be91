"""Run the pipeline of one integration through Dagster, in this process."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass

from assets_defs.console import CONSOLE, TERMINAL
from assets_defs.definitions import build_definitions
from assets_defs.jobs import REFRESH_JOB
from assets_defs.partitions import add_partition
from assets_defs.runs.failures import is_interrupt, step_failure_message
from assets_defs.runs.instance import open_instance
from pipelines.errors import InventoryError
from pipelines.storage.disk_errors import explain_output
from pipelines.workspace import Workspace


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        run_id: Dagster's id of the run.
        failure: message of the failure; empty after a success.
        was_interrupted: True after Ctrl-C.
        was_committed: True if its snapshot is in the history; None if the history cannot be read.
    """

    run_id: str
    failure: str
    was_interrupted: bool
    was_committed: bool | None


def refresh(workspace: Workspace, integration: str, *, accept_removals: bool = False) -> RunResult:
    """Materialize every asset of one integration in a Dagster run in this process.

    Needs `prepare_instance`. The progress appears on the terminal line by line.

    Args:
        workspace: where the inventory is.
        integration: name of the integration.
        accept_removals: True to publish although many assets vanished.
    """
    with _captured_stderr() as output, open_instance(workspace) as instance:
        add_partition(instance, integration)
        result = (
            build_definitions(workspace)
            .resolve_job_def(REFRESH_JOB)
            .execute_in_process(
                partition_key=integration,
                instance=instance,
                run_config={
                    "loggers": {TERMINAL: {}},
                    "ops": {"tables": {"config": {"accept_removals": accept_removals}}},
                },
                raise_on_error=False,
            )
        )
        failures = [event for event in result.all_events if event.is_step_failure]
        if failures and explain_output(output.getvalue(), workspace.root):
            # The failure's own message has it.
            output.truncate(0)
    return RunResult(
        result.run_id,
        failure="\n".join(step_failure_message(event, workspace.root) for event in failures),
        was_interrupted=any(map(is_interrupt, failures)),
        was_committed=_was_committed(workspace, integration, result.run_id),
    )


def _was_committed(workspace: Workspace, integration: str, run_id: str) -> bool | None:
    try:
        latest = workspace.open_history().latest(integration)
    except InventoryError:
        return None
    return latest is not None and latest.run_id == run_id


@contextmanager
def _captured_stderr() -> Iterator[io.StringIO]:
    """Hold back what Dagster itself writes until the end, unless an exception ends the run."""
    output = io.StringIO()
    CONSOLE.file = sys.stderr
    with redirect_stderr(output):
        yield output
    sys.stderr.write(output.getvalue())
