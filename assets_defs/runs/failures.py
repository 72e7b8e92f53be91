"""Why a run failed, in words that a person can act on."""

import re
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterExecutionInterruptedError

from pipelines.storage.disk_errors import explain_output

INTERRUPTED = "interrupted"


def failure_message(instance: dg.DagsterInstance, run: dg.DagsterRun, root: Path) -> str:
    """Why the run failed; empty where it did not."""
    if run.status not in {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}:
        return ""
    kinds = {DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}
    logs = instance.all_logs(run.run_id, of_type=kinds)
    steps = [each for each in logs if each.get_dagster_event().is_step_failure]
    if steps:
        return "\n".join(step_failure_message(each.get_dagster_event(), root) for each in steps)
    # A run that was killed, or never began, has no step that could say why.
    said = [each.get_dagster_event().message or "" for each in logs]
    return said[-1] if said else run.status.value.lower()


def step_failure_message(event: dg.DagsterEvent, root: Path) -> str:
    """A step failure's own message; one that we did not raise also names the step."""
    data = event.step_failure_data
    if is_interrupt(event):
        return INTERRUPTED
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error.cause or data.error if data.error else None
    # Dagster puts the class before the message.
    words = re.sub(r"^[\w.]+: ", "", error.message.strip()) if error else "failed"
    # Dagster's own storage is in the data directory too, and fails outside of what a step does.
    storage = explain_output(words, root)
    if storage:
        return str(storage)
    return f"step {event.step_key}: {words}"


def is_interrupt(event: dg.DagsterEvent) -> bool:
    """Whether it was ended from outside: Ctrl-C, or "Terminate" in the UI."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == DagsterExecutionInterruptedError.__name__
