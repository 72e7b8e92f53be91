"""What spreadsheet programs need: no cell that runs, and nothing beyond what a sheet holds."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from xlsxwriter import Workbook
from xlsxwriter.exceptions import FileCreateError
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from pipelines.errors import InventoryError
from pipelines.export.query_results import Relation, as_text
from pipelines.sql import identifier

SHEET_ROWS = 1_048_576
CELL_CHARACTERS = 32_767
NAME_CHARACTERS = 31

# As Excel counts days: 1970, March 1900 (before it Excel miscounts), and the year 10000.
_EPOCH_DAY, _FIRST_DAY, _LAST_DAY = 25_569, 61, 2_958_466
_MICROSECONDS = 86_400_000_000
_WIDTH = 20
_BATCH_ROWS = 5_000
_TIME = "timestamp with time zone"
_BOOLEAN = "boolean"
_NUMBERS = frozenset({"tinyint", "smallint", "integer", "bigint", "double", "float"})


def without_formula(column: str) -> str:
    """SQL of a text column with a `'` before what a spreadsheet would take for a formula.

    Args:
        column: an SQL identifier.
    """
    starts = "'=', '+', '-', '@', chr(9), chr(10), chr(13)"
    wide = "chr(65309), chr(65291), chr(65293), chr(65312)"  # the same signs in Japanese input
    return f"CASE WHEN {column}[1] IN ({starts}, {wide}) THEN '''' || {column} ELSE {column} END"


def write_workbook(
    tables: Mapping[str, Relation], sink: BinaryIO, scratch: Path
) -> Mapping[str, int]:
    """Write a workbook with a sheet for each table; texts are never formulas.

    Times are Excel's, in UTC; lists and JSON are JSON in their cell. A row at a time is held.

    Args:
        tables: the rows by name, which becomes the sheet's name.
        sink: where the bytes go; it stays open.
        scratch: a directory for the sheets until they are packed, twice their size.

    Returns:
        By `table.column`, how many values Excel has no place for (texts of more than 32,767
        characters, times outside the years 1900 to 9999): their cells say so instead.

    Raises:
        InventoryError: a table has more rows than a sheet.
        OSError: the disk is full, or the like.
    """
    for name, rows in tables.items():
        _check_length(name, rows)
    options = {"constant_memory": True, "tmpdir": str(scratch), "use_zip64": True}
    patient = _PatientSink(sink)
    workbook = Workbook(cast("BinaryIO", patient), options)
    try:
        left_out = _write_sheets(workbook, tables)
        workbook.close()
    except FileCreateError as error:
        patient.failure = error.args[0]
    finally:
        _close_parts(workbook)
    if patient.failure:
        raise patient.failure
    return left_out


def _write_sheets(workbook: Workbook, tables: Mapping[str, Relation]) -> Mapping[str, int]:
    """Write a sheet for each table; how many values have no place, by `table.column`."""
    bold = workbook.add_format({"bold": True})
    time = workbook.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    left_out: dict[str, int] = {}
    for name, rows in tables.items():
        sheet = workbook.add_worksheet(_sheet_name(name))
        _write_header(sheet, rows.columns, bold)
        found = _write_rows(sheet, rows, time)
        left_out |= {f"{name}.{column}": count for column, count in found.items()}
    return left_out


class _PatientSink:
    """A file that takes everything; `failure` is why it holds nothing that counts.

    A zip file that cannot be ended tries again when it is collected, and Python prints a traceback.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.failure: OSError | None = None

    def write(self, data: bytes) -> int:
        self._attempt(self._file.write, data)
        return len(data)

    def seek(self, place: int) -> None:
        self._attempt(self._file.seek, place)

    def flush(self) -> None:
        self._attempt(self._file.flush)

    def tell(self) -> int:
        return 0 if self.failure else self._file.tell()

    def _attempt(self, act: Callable[..., object], *given: object) -> None:
        if self.failure is None:
            try:
                act(*given)
            except OSError as error:
                self.failure = error


def _close_parts(workbook: Workbook) -> None:
    """Close what XlsxWriter leaves open when it fails, for the same reason."""
    for part in (workbook, *workbook.worksheets()):
        for handle in (part.fh, getattr(part, "row_data_fh", None)):
            if handle is not None:
                with suppress(OSError):
                    handle.close()


def _check_length(name: str, rows: Relation) -> None:
    count = len(rows)
    if count >= SHEET_ROWS:
        raise InventoryError(
            f"{name} has {count:,} rows, and a sheet of Excel holds {SHEET_ROWS - 1:,} beside its "
            "header; name the tables to export without it, or choose another format"
        )


def _sheet_name(table: str) -> str:
    return table if len(table) <= NAME_CHARACTERS else table.rpartition(".")[2][:NAME_CHARACTERS]


def _write_header(sheet: Worksheet, columns: Sequence[str], bold: Format) -> None:
    sheet.freeze_panes(1, 0)
    sheet.set_column(0, len(columns) - 1, _WIDTH)
    for number, column in enumerate(columns):
        sheet.write_string(0, number, column, bold)


def _write_rows(sheet: Worksheet, rows: Relation, time: Format) -> Counter[str]:
    """Write all rows; how many values of which column have no place."""
    kinds = [kind.id for kind in rows.types]
    cells = ", ".join(map(_cell, map(identifier, rows.columns), kinds))
    formats = [time if kind == _TIME else None for kind in kinds]
    left_out: Counter[str] = Counter()
    for number, row in enumerate(_values(rows.project(cells)), start=1):
        for place, value in enumerate(row):
            if value is None:
                continue
            why_not = _write_value(sheet, (number, place), value, formats[place])
            if why_not:
                sheet.write_string(number, place, why_not)
                left_out[rows.columns[place]] += 1
    return left_out


def _values(rows: Relation) -> Iterator[tuple[str | float | None, ...]]:
    for batch in rows.to_arrow_reader(_BATCH_ROWS):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _cell(column: str, kind: str) -> str:
    if kind == _TIME:
        return f"epoch_us({column})"
    return column if kind in _NUMBERS or kind == _BOOLEAN else as_text(column, kind)


def _write_value(
    sheet: Worksheet, place: tuple[int, int], value: str | float, time: Format | None
) -> str:
    """Write a value; why it could not be, or nothing."""
    if isinstance(value, bool):
        sheet.write_boolean(*place, value)
    elif isinstance(value, str):
        return _write_text(sheet, place, value)
    elif time is None:
        sheet.write_number(*place, value)
    else:
        day = _EPOCH_DAY + value / _MICROSECONDS
        if not _FIRST_DAY <= day < _LAST_DAY:
            return "(a time outside the years 1900 to 9999)"
        sheet.write_number(*place, day, time)
    return ""


def _write_text(sheet: Worksheet, place: tuple[int, int], text: str) -> str:
    # Excel counts what lies beyond the first 65,536 signs of Unicode twice.
    length = len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2
    if length > CELL_CHARACTERS:
        return f"({length:,} characters, more than a cell holds)"
    if text.startswith("<r>") and text.endswith("</r>"):
        # XlsxWriter would take the text itself for the XML of one with several fonts.
        sheet.write_rich_string(*place, text[0], text[1], text[2:])
    else:
        sheet.write_string(*place, text)
    return ""
