"""Write Excel workbooks: no text becomes a formula, and Excel's limits are respected."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, cast

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from pipelines.errors import InventoryError
from pipelines.export.query_results import Relation, as_text
from pipelines.sql import identifier

MAX_ROWS = 1_048_576
MAX_CELL_CHARACTERS = 32_767
MAX_NAME_LENGTH = 31

# Excel's numbers of 1970-01-01, 1900-03-01 (earlier days are off by one) and 10000-01-01.
_EPOCH_DAY, _FIRST_DAY, _LAST_DAY = 25_569, 61, 2_958_466
_MICROSECONDS = 86_400_000_000
# Width in characters, and of a landscape page on which the text is still legible.
_MIN_WIDTH, _MAX_WIDTH, _PAGE_WIDTH = 8, 50, 200
_FILTER_BUTTON = 3
_MEASURED_ROWS = 1_000
_REPEATED_COLUMNS = 3  # the integration, the id and the name of an asset
_BATCH_ROWS = 5_000
_TIME = "timestamp with time zone"
_TIME_FORMAT = "yyyy-mm-dd hh:mm:ss"
_BOOLEAN = "boolean"
_NUMBERS = frozenset({"tinyint", "smallint", "integer", "bigint", "double", "float"})


def write_workbook(tables: Mapping[str, Relation], path: Path) -> Mapping[str, int]:
    """Write a workbook with a sheet for each table; texts are never formulas.

    Times are Excel's, in UTC; lists and JSON are JSON in their cell. One row is in memory at a
    time. Until the sheets are packed, twice their size is needed on disk.

    Args:
        tables: the rows by name, which becomes the sheet's name.
        path: the file.

    Returns:
        The number of values that Excel cannot hold, by `table.column`: texts of more than 32,767
        characters and times outside the years 1900 to 9999. A note is in their cell instead.

    Raises:
        InventoryError: a table has more rows than a sheet.
        OSError: the file cannot be written.
    """
    for name, rows in tables.items():
        _check_length(name, rows)
    with (
        TemporaryDirectory(prefix=".jumpcloud-inventory-", dir=path.parent) as scratch,
        path.open("wb") as file,
    ):
        sink = _Sink(file)
        options = {"constant_memory": True, "tmpdir": scratch, "use_zip64": True}
        workbook = Workbook(cast("BinaryIO", sink), options)
        try:
            left_out = _write_sheets(workbook, tables)
            workbook.close()
        except FileCreateError as error:
            sink.failure = error.args[0]
        finally:
            _close_parts(workbook)
        if sink.failure:
            raise sink.failure
    return left_out


class _Sink:
    """A file that keeps its first error in `failure` and accepts further writes.

    A zip file that raised an error would write its end again when it is garbage collected, and
    Python would print a traceback.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        self._attempt(self._file.write, data)
        return len(data)

    def seek(self, offset: int) -> None:
        self._attempt(self._file.seek, offset)

    def flush(self) -> None:
        self._attempt(self._file.flush)

    def tell(self) -> int:
        return 0 if self.failure else self._file.tell()

    def _attempt(self, method: Callable[..., object], *arguments: object) -> None:
        if self.failure is None:
            try:
                method(*arguments)
            except OSError as error:
                self.failure = error


def _close_parts(workbook: Workbook) -> None:
    """Close what XlsxWriter leaves open after an error, for the same reason."""
    for part in (workbook, *workbook.worksheets()):
        for handle in (part.fh, getattr(part, "row_data_fh", None)):
            if handle is not None:
                with suppress(OSError):
                    handle.close()


def _write_sheets(workbook: Workbook, tables: Mapping[str, Relation]) -> Mapping[str, int]:
    """Write a sheet for each table; return the number of values left out, by `table.column`."""
    bold = workbook.add_format({"bold": True})
    time = workbook.add_format({"num_format": _TIME_FORMAT})
    left_out: dict[str, int] = {}
    for name, rows in tables.items():
        sheet = workbook.add_worksheet(_sheet_name(name))
        _write_header(sheet, rows.columns, bold)
        _lay_out(sheet, rows)
        found = _write_rows(sheet, rows, time)
        left_out |= {f"{name}.{column}": count for column, count in found.items()}
    return left_out


def _check_length(name: str, rows: Relation) -> None:
    count = len(rows)
    if count >= MAX_ROWS:
        raise InventoryError(
            f"{name} has {count:,} rows, but an Excel sheet holds at most {MAX_ROWS - 1:,}; "
            "name the other tables to export them without it, or choose another format"
        )


def _sheet_name(table: str) -> str:
    return table if len(table) <= MAX_NAME_LENGTH else table.rpartition(".")[2][:MAX_NAME_LENGTH]


def _write_header(sheet: Worksheet, columns: Sequence[str], bold: Format) -> None:
    sheet.freeze_panes(1, 0)
    for number, column in enumerate(columns):
        sheet.write_string(0, number, column, bold)


def _lay_out(sheet: Worksheet, rows: Relation) -> None:
    """Set the filter and the widths of the columns, and lay out the printed pages.

    They are landscape, with the header on each, and as many next to each other as are legible.
    """
    last = len(rows.columns) - 1
    sheet.autofilter(0, 0, len(rows), last)
    # Otherwise a long text in the last column extends the page, and shrinks all of it.
    sheet.print_area(0, 0, len(rows), last)
    widths = _widths(rows)
    for number, width in enumerate(widths):
        sheet.set_column(number, number, width)
    sheet.set_landscape()
    sheet.repeat_rows(0)
    pages = 1
    if sum(widths) > _PAGE_WIDTH:
        repeated, others = sum(widths[:_REPEATED_COLUMNS]), sum(widths[_REPEATED_COLUMNS:])
        pages = math.ceil(others / (_PAGE_WIDTH - repeated))
        sheet.repeat_columns(0, _REPEATED_COLUMNS - 1)
    sheet.fit_to_pages(pages, 0)
    sheet.hide_gridlines(0)  # prints them, too
    sheet.set_header("&L&A&R&P / &N")


def _widths(rows: Relation) -> list[int]:
    """Return the width of each column: that of its longest text, within limits."""
    lengths = ", ".join(
        f"max(length(left({identifier(name)}::VARCHAR, {_widest(kind.id)})))"
        for name, kind in zip(rows.columns, rows.types, strict=True)
    )
    (found,) = rows.limit(_MEASURED_ROWS).aggregate(lengths).fetchall()
    return [
        max(_MIN_WIDTH, len(name) + _FILTER_BUTTON, (length or 0) + 1)
        for name, length in zip(rows.columns, found, strict=True)
    ]


def _widest(kind: str) -> int:
    return len(_TIME_FORMAT) if kind == _TIME else _MAX_WIDTH


def _write_rows(sheet: Worksheet, rows: Relation, time: Format) -> Counter[str]:
    """Write all rows; return the number of values left out, by column."""
    kinds = [kind.id for kind in rows.types]
    cells = ", ".join(map(_cell, map(identifier, rows.columns), kinds))
    formats = [time if kind == _TIME else None for kind in kinds]
    left_out: Counter[str] = Counter()
    for number, row in enumerate(_values(rows.project(cells)), start=1):
        for column, value in enumerate(row):
            if value is None:
                continue
            note = _write_value(sheet, (number, column), value, formats[column])
            if note:
                sheet.write_string(number, column, note)
                left_out[rows.columns[column]] += 1
    return left_out


def _values(rows: Relation) -> Iterator[tuple[str | float | None, ...]]:
    for batch in rows.to_arrow_reader(_BATCH_ROWS):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _cell(column: str, kind: str) -> str:
    if kind == _TIME:
        return f"epoch_us({column})"
    return column if kind in _NUMBERS or kind == _BOOLEAN else as_text(column, kind)


def _write_value(
    sheet: Worksheet, cell: tuple[int, int], value: str | float, time: Format | None
) -> str:
    """Write a value; return a note instead if Excel cannot hold it."""
    if isinstance(value, bool):
        sheet.write_boolean(*cell, value)
    elif isinstance(value, str):
        return _write_text(sheet, cell, value)
    elif time is None:
        sheet.write_number(*cell, value)
    else:
        day = _EPOCH_DAY + value / _MICROSECONDS
        if not _FIRST_DAY <= day < _LAST_DAY:
            return "(a time outside the years 1900 to 9999)"
        sheet.write_number(*cell, day, time)
    return ""


def _write_text(sheet: Worksheet, cell: tuple[int, int], text: str) -> str:
    # Excel counts UTF-16 code units.
    length = len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
    if length > MAX_CELL_CHARACTERS:
        return f"({length:,} characters, more than a cell holds)"
    if text.startswith("<r>") and text.endswith("</r>"):
        # XlsxWriter would write the text as the XML of a rich string.
        sheet.write_rich_string(*cell, text[0], text[1], text[2:])
    else:
        sheet.write_string(*cell, text)
    return ""
