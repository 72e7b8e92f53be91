"""Messages that explain to a person why a run failed."""

import re
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterExecutionInterruptedError

from pipelines.storage.disk_errors import explain_output

INTERRUPTED = "interrupted"


def failure_message(instance: dg.DagsterInstance, run: dg.DagsterRun, root: Path) -> str:
    """Return the cause of a failed or canceled run; empty for another run."""
    if run.status not in {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}:
        return ""
    kinds = {DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}
    logs = instance.all_logs(run.run_id, of_type=kinds)
    events = [entry.get_dagster_event() for entry in logs]
    steps = [step_failure_message(event, root) for event in events if event.is_step_failure]
    if steps:
        return "\n".join(steps)
    # A run that was killed, or never started, has no failed step.
    return events[-1].message or "" if events else run.status.value.lower()


def step_failure_message(event: dg.DagsterEvent, root: Path) -> str:
    """Return the message of a step failure; an unexpected one also names the step."""
    data = event.step_failure_data
    if is_interrupt(event):
        return INTERRUPTED
    if data.user_failure_data and data.user_failure_data.description:
        return data.user_failure_data.description
    error = data.error.cause or data.error if data.error else None
    # Dagster puts the class before the message.
    message = re.sub(r"^[\w.]+: ", "", error.message.strip()) if error else "failed"
    # Dagster's own storage is in the data directory too, and fails outside of the step's code.
    explanation = explain_output(message, root)
    return str(explanation) if explanation else f"step {event.step_key}: {message}"


def is_interrupt(event: dg.DagsterEvent) -> bool:
    """Return True if the step was ended by Ctrl-C, or by "Terminate" in the UI."""
    error = event.step_failure_data.error
    return error is not None and error.cls_name == DagsterExecutionInterruptedError.__name__
