"""A bar on the terminal while an organisation is pulled."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich.progress

from assets_defs.terminal import CONSOLE
from pipelines.extract.progress import Progress


@contextmanager
def progress_bar(*, is_wanted: bool) -> Iterator[Callable[[Progress], None] | None]:
    """What shows lists done of those known, calls a second, answers 429 and the time left.

    The bar is gone at the end, however that comes.

    Args:
        is_wanted: whether the run is one of the command line.

    Yields:
        None where there is no terminal to draw on, or no bar is wanted.
    """
    # A variable may make rich colour a pipe; a bar belongs on nothing but a terminal.
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
