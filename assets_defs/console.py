"""The output of a run on the terminal: a progress bar, and one line for each table."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dagster as dg
import rich.progress
from dagster import DagsterEvent, DagsterEventType
from rich.console import Console

from pipelines.errors import printable
from pipelines.extract.fetcher import Progress


@contextmanager
def progress_bar(*, enabled: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Show a bar with the lists read, calls per second, throttled calls and the time left.

    The bar is erased at the end.

    Args:
        enabled: True for a run of the command line.

    Yields:
        Function that updates the bar; None without a bar.
    """
    # A variable may make rich color a pipe, but a bar needs a terminal.
    if not (enabled and CONSOLE.is_interactive and CONSOLE.file.isatty()):
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
                # The number of lists is not known before there is a plan.
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
# The name of the logger that a run of the command line chooses.
TERMINAL = "terminal"
# Marks log records that repeat what a bar on the terminal shows.
IN_BAR = "is_in_bar"


class _TerminalHandler(logging.Handler):
    """Handler that prints materialized assets, failed checks and log lines, but no details."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record, unless it is a detail of Dagster."""
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        # Dagster's own errors repeat the run's failure, which is printed at the end.
        own = record.levelno in {logging.INFO, logging.WARNING}
        if event:
            line = _line(event)
        else:
            line = (
                meta.get("orig_message", "") if own and not getattr(record, IN_BAR, False) else ""
            )
        if line:
            # A name from JumpCloud may hold control characters.
            shown = "\n".join(map(printable, line.split("\n")))
            CONSOLE.print(shown, markup=False, soft_wrap=True)


def _line(event: DagsterEvent) -> str:
    if event.event_type == DagsterEventType.ASSET_MATERIALIZATION:
        materialization = event.step_materialization_data.materialization
        rows = materialization.metadata.get("dagster/row_count")
        name = "/".join(materialization.asset_key.path)
        return f"  {name:<42} {rows.value if rows else '':>9}"
    if event.event_type == DagsterEventType.ASSET_CHECK_EVALUATION:
        check = event.asset_check_evaluation_data
        if not check.passed and check.description:
            # A described error is the message of the failure, which is printed at the end.
            is_warning = check.severity is dg.AssetCheckSeverity.WARN
            return f"  {check.severity.value} {check.description}" if is_warning else ""
        if not check.passed:
            numbers = ", ".join(f"{key}={value.value}" for key, value in check.metadata.items())
            name = "/".join(check.asset_key.path)
            return f"  {check.severity.value} {name}: check {check.check_name}: {numbers}"
    return ""


@dg.logger
def terminal_logger(_: dg.InitLoggerContext) -> logging.Logger:
    """Return a logger for runs of the command line."""
    logger = logging.Logger("jumpcloud-inventory", logging.DEBUG)  # noqa: LOG001 -- not shared
    logger.addHandler(_TerminalHandler())
    return logger
