"""What a run says on the terminal: one line per thing that a person waits for."""

import logging

import dagster as dg
from dagster import DagsterEvent, DagsterEventType
from rich.console import Console

CONSOLE = Console(stderr=True, highlight=False)
# The name under which a run chooses to speak on the terminal.
TERMINAL = "terminal"
# Marks the records of what a bar on the terminal shows already.
IN_BAR = "is_in_bar"


def printable(text: str) -> str:
    """The text in one line, with escapes for the characters that a terminal would obey."""
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


class _TerminalHandler(logging.Handler):
    """Prints materialized assets, failed checks and log lines; leaves Dagster's own detail out."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record if it tells a person something."""
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        # Dagster's own errors say again what the run's failure says at the end.
        own = record.levelno in {logging.INFO, logging.WARNING} and not getattr(
            record, IN_BAR, False
        )
        line = _line(event) if event else meta.get("orig_message", "") if own else ""
        if line:
            CONSOLE.print(line, markup=False, soft_wrap=True)


def _line(event: DagsterEvent) -> str:
    if event.event_type == DagsterEventType.ASSET_MATERIALIZATION:
        materialization = event.step_materialization_data.materialization
        rows = materialization.metadata.get("dagster/row_count")
        name = "/".join(materialization.asset_key.path)
        return f"  {name:<42} {rows.value if rows else '':>9}"
    if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        if not check.passed and check.description:
            return f"  {check.severity.value} {check.description}"
        if not check.passed:
            numbers = ", ".join(f"{key}={value.value}" for key, value in check.metadata.items())
            name = "/".join(check.asset_key.path)
            return f"  {check.severity.value} {name}: check {check.check_name}: {numbers}"
    return ""


@dg.logger
def terminal_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """A logger of its own for the command line's runs."""
    logger = logging.Logger("jumpcloud-inventory", logging.DEBUG)  # noqa: LOG001 -- not shared
    logger.addHandler(_TerminalHandler())
    return logger
