"""What a run says on the terminal: one line per thing that a person waits for."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import rich.progress
from dagster import DagsterEvent, DagsterEventType
from rich.console import Console

from pipelines.extract.fetcher import Progress


@contextmanager
def progress_bar(*, is_wanted: bool) -> Iterator[Callable[[Progress], None] | None]:
    """What shows lists done of those known, calls a second, answers 429 and the time left.

    The bar is gone at the end, however that comes.

    Args:
        is_wanted: whether the run is one of the command line.

    Yields:
        None where there is no terminal to draw on, or no bar is wanted.
    """
    # A variable may make rich color a pipe; a bar belongs on nothing but a terminal.
    if not (is_wanted and CONSOLE.is_interactive and CONSOLE.file.isatty()):
        yield None
        return
    with _bar() as bar:
        calls = bar.add_task("calls", total=None, visible=False)
        lists = bar.add_task("lists", total=None, calls="0 calls/s")

        def show(progress: Progress) -> None:
            counts = progress.counts
            bar.update(calls, completed=counts.calls)
            speed = next(task.speed for task in bar.tasks if task.id == calls) or 0
            bar.update(
                lists,
                completed=progress.lists_done,
                # Before there is a plan, it is not known how much is to be read.
                total=progress.lists_known if progress.plan else None,
                calls=f"{speed:.0f} calls/s, {counts.throttled:,} throttled",
            )

        yield show


def _bar() -> rich.progress.Progress:
    return rich.progress.Progress(
        "  pulling",
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        "lists, {task.fields[calls]}, time left",
        rich.progress.TimeRemainingColumn(),
        console=CONSOLE,
        transient=True,
        redirect_stdout=False,
    )


CONSOLE = Console(stderr=True, highlight=False)
# The name under which a run chooses to speak on the terminal.
TERMINAL = "terminal"
# Marks the records of what a bar on the terminal shows already.
IN_BAR = "is_in_bar"


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
