"""Workbooks and CSV as spreadsheet programs meet them: nothing runs, nothing is cut in silence."""

import csv
from collections.abc import Iterator, Mapping
from datetime import datetime
from io import BytesIO, StringIO
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
from pipelines.export.query_results import write_result
from pipelines.export.xlsx import CELL_CHARACTERS, without_formula, write_workbook

RUNS = "=+-@\t\r\n＝＋－＠"  # noqa: RUF001 -- as typed in Japan
TEXTS = st.lists(
    st.one_of(
        st.text(st.characters(exclude_categories=["Cs"])),
        st.sampled_from(RUNS).flatmap(lambda start: st.text("=1+'\"<&>;,").map(start.__add__)),
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


def workbook_of(
    tables: Mapping[str, duckdb.DuckDBPyRelation],
) -> tuple[openpyxl.Workbook, Mapping[str, int]]:
    sink = BytesIO()
    with TemporaryDirectory() as scratch:
        left_out = write_workbook(tables, sink, Path(scratch))
        assert list(Path(scratch).iterdir()) == []
    return openpyxl.load_workbook(sink), left_out


@settings(max_examples=40)
@given(TEXTS)
def test_every_text_comes_back_from_a_workbook_as_a_text(texts: list[str]) -> None:
    with duckdb.connect() as connection:
        rows = connection.from_arrow(pa.table({"text": texts}))
        book, left_out = workbook_of({"texts": rows})
    assert not left_out
    cells = [book["texts"].cell(number, 1) for number in range(2, len(texts) + 2)]
    assert all(cell.data_type in {"s", "n", "inlineStr"} for cell in cells)
    assert [unescape(str(cell.value or "")) for cell in cells] == texts


@given(TEXTS)
def test_no_cell_of_csv_begins_like_a_formula_and_all_else_stays(texts: list[str]) -> None:
    sink = BytesIO()
    with duckdb.connect() as connection:
        rows = connection.from_arrow(pa.table({"text": texts}))
        write_result(rows.project(f"{without_formula('text')} AS text"), "csv", sink)
    cells = [cell for (cell,) in csv.reader(StringIO(sink.getvalue().decode(), newline=""))][1:]
    assert not [cell for cell in cells if cell.startswith(tuple(RUNS))]
    assert [
        cell[1:] if text.startswith(tuple(RUNS)) else cell
        for cell, text in zip(cells, texts, strict=True)
    ] == texts


def test_what_excel_has_no_place_for_is_said_in_its_cell(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    rows = connection.sql(f"""
SELECT repeat('x', n + {CELL_CHARACTERS}) AS long, repeat(chr(128187), n + 16383) AS wide,
    [repeat('x', {CELL_CHARACTERS})] AS list, moment
FROM (VALUES
    (0, TIMESTAMPTZ '1900-03-01 00:00:00Z'),
    (1, TIMESTAMPTZ '1900-02-28 23:59:59Z'),
    (0, TIMESTAMPTZ '9999-12-31 23:59:59Z'),
    (0, TIMESTAMPTZ '10000-01-01 00:00:00Z')
) AS given(n, moment)""")
    book, left_out = workbook_of({"t": rows})
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


def test_a_table_longer_than_a_sheet_is_refused_before_anything_is_written(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = connection.sql("SELECT 'a' AS a FROM range(1_048_576)")
    sink = BytesIO()
    with pytest.raises(InventoryError, match="long has 1,048,576 rows, and a sheet of Excel holds"):
        write_workbook({"short": connection.sql("SELECT 1"), "long": rows}, sink, tmp_path)
    assert sink.getvalue() == b""


def test_a_long_name_of_a_table_loses_its_schema(connection: duckdb.DuckDBPyConnection) -> None:
    rows = connection.sql("SELECT 1 AS n")
    book, _ = workbook_of({"findings.users": rows, "findings.users_who_reach_too_much": rows})
    assert book.sheetnames == ["findings.users", "users_who_reach_too_much"]
