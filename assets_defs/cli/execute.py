"""One run of the pipeline through Dagster, from the command line."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass

from assets_defs.console import CONSOLE, TERMINAL
from assets_defs.jobs import REFRESH_JOB
from assets_defs.partitions import add_partition
from assets_defs.runs.failures import is_interrupt, step_failure_message
from assets_defs.runs.instance import (
    open_instance,
)
from pipelines.config.environment import home
from pipelines.errors import InventoryError
from pipelines.storage.disk_errors import storage_error
from pipelines.workspace import history


@dataclass(frozen=True)
class RunResult:
    """How a run ended.

    Attributes:
        run_id: Dagster's id of the run.
        failure: why it failed, in words; empty when it succeeded.
        was_interrupted: whether Ctrl-C ended it.
        was_committed: whether its snapshot is in the history; None where that cannot be asked.
    """

    run_id: str
    failure: str
    was_interrupted: bool
    was_committed: bool | None


def refresh(integration: str, *, accept_removals: bool = False) -> RunResult:
    """Materialize every asset of one integration in a Dagster run in this process.

    Needs `prepare_home`. What it does appears on the terminal line by line.

    Args:
        integration: its name.
        accept_removals: publish although many assets vanished.
    """
    # Importing the definitions reads the settings, so it must come after the environment is set.
    from assets_defs.definitions import defs  # noqa: PLC0415

    with _captured_stderr() as held, open_instance() as instance:
        add_partition(instance, integration)
        result = defs.resolve_job_def(REFRESH_JOB).execute_in_process(
            partition_key=integration,
            instance=instance,
            run_config={
                "loggers": {TERMINAL: {}},
                "ops": {"tables": {"config": {"accept_removals": accept_removals}}},
            },
            raise_on_error=False,
        )
        failures = [event for event in result.all_events if event.is_step_failure]
        if failures and storage_error(RuntimeError(held.getvalue()), home()):
            # The failure says it in words.
            held.truncate(0)
    return RunResult(
        result.run_id,
        failure="\n".join(map(step_failure_message, failures)),
        was_interrupted=any(map(is_interrupt, failures)),
        was_committed=_was_committed(integration, result.run_id),
    )


def _was_committed(integration: str, run_id: str) -> bool | None:
    try:
        latest = history().latest(integration)
    except InventoryError:
        return None
    return latest is not None and latest.run_id == run_id


@contextmanager
def _captured_stderr() -> Iterator[io.StringIO]:
    """Hold back what Dagster itself writes; an exception that ends the run says more than that."""
    words = io.StringIO()
    CONSOLE.file = sys.stderr
    with redirect_stderr(words):
        yield words
    sys.stderr.write(words.getvalue())
