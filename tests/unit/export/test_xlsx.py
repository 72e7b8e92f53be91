"""Workbooks and CSV in spreadsheet programs: no text is run, and every cut is visible."""

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from pipelines.errors import InventoryError
from pipelines.export.query_results import without_formula, write_result
from pipelines.export.xlsx import MAX_CELL_CHARACTERS, write_workbook

STARTS = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001 -- as typed in Japan
TEXTS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.sampled_from(STARTS).flatmap(lambda start: st.text("=1+'\"<&>;,").map(start.__add__)),
        st.sampled_from(["<r></r>", "<r><t>a</t></r>", "<r>&</r>", "_x0041_", " a ", "1", "TRUE"]),
    ),
    min_size=1,
)
Value = str | float | datetime | None


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def write_and_load(
    tables: Mapping[str, duckdb.DuckDBPyRelation],
) -> tuple[openpyxl.Workbook, Mapping[str, int]]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "book.xlsx"
        left_out = write_workbook(tables, path)
        assert list(Path(folder).iterdir()) == [path]
        return openpyxl.load_workbook(path), left_out


def test_workbook_prints_on_legible_pages(connection: duckdb.DuckDBPyConnection) -> None:
    names = [f"{name}_{number}" for number in range(20) for name in ("text", "time")]
    columns = ", ".join(
        f"{'now()' if name.startswith('time') else repr('x' * 60)} AS {name}" for name in names
    )
    wide = connection.sql(f"SELECT {columns} FROM range(3)")
    narrow = connection.sql(
        "SELECT 'a' AS short, NULL::TEXT AS empty, 'b' || range AS b FROM range(3)"
    )
    book, _ = write_and_load({"wide": wide, "narrow": narrow, "none": narrow.limit(0)})
    for name, last in {"wide": "AN4", "narrow": "C4", "none": "C1"}.items():
        sheet = book[name]
        assert sheet.page_setup.orientation == "landscape"
        properties = sheet.sheet_properties.pageSetUpPr
        assert properties
        assert properties.fitToPage
        assert sheet.page_setup.fitToHeight == 0
        assert sheet.print_title_rows == "$1:$1"
        assert sheet.auto_filter.ref == f"A1:{last}"
        # Otherwise the pages are as wide as the longest text of the last column.
        assert sheet.print_area == f"'{name}'!$A$1:${last[:-1]}${last[-1]}"
        assert sheet.freeze_panes == "A2"
    widths = [book["wide"].column_dimensions[letter].width for letter in "AB"]
    assert [round(width) for width in widths] == [52, 21]
    # Text of 11 points is at least 6 points high.
    assert book["wide"].page_setup.fitToWidth == 17
    assert book["wide"].print_title_cols == "$A:$C"
    assert book["narrow"].page_setup.fitToWidth is None  # the default, one
    assert book["narrow"].print_title_cols is None


@pytest.mark.slow
@settings(max_examples=40)
@given(TEXTS)
def test_workbook_keeps_every_text(texts: list[str]) -> None:
    with duckdb.connect() as connection:
        rows = connection.register("given", pa.table({"text": texts})).table("given")
        book, left_out = write_and_load({"texts": rows})
    assert not left_out
    cells = [book["texts"].cell(number, 1) for number in range(2, len(texts) + 2)]
    assert all(cell.data_type in {"s", "n", "inlineStr"} for cell in cells)
    assert [unescape(str(cell.value or "")) for cell in cells] == texts


@pytest.mark.slow
@given(TEXTS)
def test_csv_cells_never_start_like_a_formula(texts: list[str]) -> None:
    with duckdb.connect() as connection, TemporaryDirectory() as folder:
        path = Path(folder) / "result"
        rows = connection.register("given", pa.table({"text": texts})).table("given")
        rows = rows.project(f"{without_formula('text')} AS text")
        write_result(connection, rows, "csv", path)
        content = path.read_bytes().decode()
    cells = [cell for (cell,) in csv.reader(StringIO(content, newline=""))][1:]
    assert not [cell for cell in cells if cell.startswith(tuple(STARTS))]
    assert [
        cell[1:] if text.startswith(tuple(STARTS)) else cell
        for cell, text in zip(cells, texts, strict=True)
    ] == texts


def test_values_beyond_excels_limits_leave_a_note(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rows = connection.sql(f"""
SELECT repeat('x', n + {MAX_CELL_CHARACTERS}) AS long, repeat(chr(128187), n + 16383) AS wide,
    [repeat('x', {MAX_CELL_CHARACTERS})] AS list, moment
FROM (VALUES
    (0, TIMESTAMPTZ '1900-03-01 00:00:00Z'),
    (1, TIMESTAMPTZ '1900-02-28 23:59:59Z'),
    (0, TIMESTAMPTZ '9999-12-31 23:59:59Z'),
    (0, TIMESTAMPTZ '10000-01-01 00:00:00Z')
) AS given(n, moment)""")
    book, left_out = write_and_load({"t": rows})
    assert left_out == {"t.long": 1, "t.wide": 1, "t.list": 4, "t.moment": 2}
    first, second, third, fourth = book["t"].iter_rows(min_row=2, values_only=True)
    assert [len(str(cell)) for cell in first[:2]] == [32_767, 16_383]
    assert second[:2] == (
        "(32,768 characters, more than a cell holds)",
        "(32,768 characters, more than a cell holds)",
    )
    assert first[3] == datetime(1900, 3, 1)  # noqa: DTZ001 -- Excel has no time zones
    assert third[3] == datetime(9999, 12, 31, 23, 59, 59)  # noqa: DTZ001
    assert second[3] == fourth[3] == "(a time outside the years 1900 to 9999)"


def test_table_longer_than_a_sheet_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = connection.sql("SELECT 'a' AS a FROM range(1_048_576)")
    with pytest.raises(InventoryError, match="long has 1,048,576 rows, but an Excel sheet holds"):
        write_workbook({"short": connection.sql("SELECT 1"), "long": rows}, tmp_path / "book")
    assert not list(tmp_path.iterdir())


def test_long_table_name_loses_its_schema(connection: duckdb.DuckDBPyConnection) -> None:
    rows = connection.sql("SELECT 1 AS n")
    book, _ = write_and_load({"findings.users": rows, "findings.users_who_reach_too_much": rows})
    assert book.sheetnames == ["findings.users", "users_who_reach_too_much"]
