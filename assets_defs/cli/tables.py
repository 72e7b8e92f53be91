"""Rows too wide for the terminal: each column on a line of its own, as psql's expanded display."""

from collections.abc import Iterable, Iterator, Sequence


def expanded_rows(
    columns: Sequence[str], rows: Iterable[Sequence[str]], width: int
) -> Iterator[str]:
    """The lines, with a heading for each row.

    Args:
        columns: their names.
        rows: a text for each column.
        width: of a heading.
    """
    longest = max(map(len, columns), default=0)
    for number, row in enumerate(rows, start=1):
        yield f"─[ {number} ]".ljust(width, "─")
        for name, value in zip(columns, row, strict=True):
            yield f"{name:<{longest}} │ {value}"
