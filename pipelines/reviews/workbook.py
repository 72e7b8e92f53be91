"""Write the workbooks of a review, one for each reviewer.

XlsxWriter makes a workbook without rows, once. SQL writes the rows as XML, as a million of them
would take minutes cell by cell. A text is an inline string, which no program takes for a formula.
"""

import io
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from xlsxwriter import Workbook
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from pipelines.errors import InventoryError
from pipelines.export.xlsx import MAX_ROWS
from pipelines.reviews.population import TARGETS, unread
from pipelines.reviews.store import StoredReview
from pipelines.sql import parquet

COVER, SHEET = "Review", "Access"
DECISIONS = ("keep", "remove")
# Labels on the cover by which an import recognizes the review.
ID_LABEL, MANIFEST_LABEL, REVIEWER_LABEL = "Review", "SHA-256 of its manifest", "Reviewer id"
_MAX_TEXT = 1_000
_BATCH_ROWS = 50_000
# Replaced in each workbook.
_REVIEWER, _REVIEWER_ID, _ROWS = "@reviewer@", "@reviewer-id@", "@rows@"
_COVER_PART, _ROWS_PART = "xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"
_WIDTHS = (7, 16, 20, 26, 11, 14, 22, 24, 24, 10, 9, 20, 11, 28)
_KINDS = " ".join(f"WHEN '{kind}' THEN '{text}'" for kind, text in TARGETS.items())
_SINCE = "strftime(since AT TIME ZONE 'UTC', '%Y-%m-%d %H:%M')"
# Header and SQL of each column before the decision; texts except the first.
COLUMNS = {
    "Item": "item",
    "Username": "username",
    "Name": "display_name",
    "E-mail": "email",
    "State": "state",
    "Department": "department",
    "Access": f"CASE target_type {_KINDS} END",
    "To": "target_name",
    "Through": "CASE WHEN len(via_user_group_names) = 0 THEN 'direct' ELSE "
    "CASE WHEN direct THEN 'direct, ' ELSE '' END || array_to_string(via_user_group_names, ', ') "
    "END",
    "Sudo": "CASE WHEN sudo_without_password THEN 'without password' WHEN sudo THEN 'yes' END",
    "Devices": "device_count::VARCHAR",
    "Since (UTC)": f"CASE WHEN since_is_known THEN '' ELSE 'by ' END || {_SINCE}",
}
DECISION, REASON = "Decision", "Reason"


def displayed(column: str) -> str:
    """Return SQL of a cell's text: no control character, no end that a program might trim.

    Excel reads `_x0041_` as a letter, so its first underscore is doubled.
    """
    text = f"coalesce({COLUMNS[column]}, '')"
    text = (
        f"left({text}, {_MAX_TEXT}) || CASE WHEN len({text}) > {_MAX_TEXT} THEN '...' ELSE '' END"
    )
    plain = rf"regexp_replace({text}, '[\x00-\x1f\x7f\x{{FFFE}}\x{{FFFF}}]', ' ', 'g')"
    return f"trim(regexp_replace({plain}, '_(x[0-9A-Fa-f]{{4}}_)', '__ \\1', 'g'))"


def write_workbooks(
    connection: duckdb.DuckDBPyConnection, review: StoredReview, folder: Path
) -> list[Path]:
    """Write a workbook for each reviewer into a folder that exists; return their paths.

    Args:
        connection: from `in_memory`.
        review: the review.
        folder: the folder.

    Raises:
        InventoryError: a reviewer has more rows than a sheet.
        OSError: a file cannot be written.
    """
    parts = _template(review)
    found = connection.sql(
        "SELECT reviewer_id, any_value(reviewer), count(*), row_number() OVER (ORDER BY min(item)) "
        f"FROM {parquet([review.items])} GROUP BY reviewer_id ORDER BY min(item)"
    ).fetchall()
    for _, reviewer, count, _ in found:
        if count >= MAX_ROWS:
            raise InventoryError(
                f"{reviewer} would get {count:,} rows, but an Excel sheet holds at most "
                f"{MAX_ROWS - 1:,}. Choose another --by"
            )
    chunks = groupby(_chunks(connection, review), key=lambda chunk: chunk[0])
    paths = []
    for (reviewer_id, reviewer, count, number), (_, own) in zip(found, chunks, strict=True):
        path = folder / f"{number:0{len(str(len(found)))}}-{_file_name(reviewer)}.xlsx"
        filled = {_REVIEWER: reviewer, _REVIEWER_ID: reviewer_id, _ROWS: f"{count:,}"}
        _write(path, parts, filled, (text for _, text in own))
        paths.append(path)
    return paths


def _file_name(reviewer: str) -> str:
    return re.sub(r"[^\w.-]+", "-", reviewer).strip("-.")[:60] or "reviewer"


def _write(
    path: Path, parts: dict[str, bytes], filled: dict[str, str], rows: Iterator[str]
) -> None:
    path.touch(mode=0o600)
    with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            if name == _COVER_PART:
                cover = content.decode()
                for mark, text in filled.items():
                    cover = cover.replace(mark, _escaped(text))
                archive.writestr(name, cover)
            elif name == _ROWS_PART:
                head, end, tail = content.partition(b"</sheetData>")
                with archive.open(name, "w", force_zip64=True) as sheet:
                    sheet.write(head)
                    for text in rows:
                        sheet.write(text.encode())
                    sheet.write(end + tail)
            else:
                archive.writestr(name, content)


def _escaped(text: str) -> str:
    plain = re.sub(r"[\x00-\x1f\x7f\ufffe\uffff]", " ", text)
    return plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _chunks(
    connection: duckdb.DuckDBPyConnection, review: StoredReview
) -> Iterator[tuple[str, str]]:
    """Yield reviewer and the XML of some of their rows, in the order of items.

    Items are in the order of reviewers, so that the whole population is never in memory.
    """
    columns = {f"c{number}": name for number, name in enumerate(COLUMNS) if number}
    cells = " || ".join(
        f"CASE WHEN {cell} = '' THEN '' ELSE '<c r=\"{chr(ord('A') + number)}' || n || "
        f"'\" t=\"inlineStr\"><is><t>' || {cell} || '</t></is></c>' END"
        for number, cell in enumerate(columns, start=1)
    )
    texts = ", ".join(
        f"replace(replace(replace({displayed(name)}, '&', '&amp;'), '<', '&lt;'), '>', '&gt;') "
        f"AS {cell}"
        for cell, name in columns.items()
    )
    query = f"""
SELECT reviewer_id, string_agg('<row r="' || n || '"><c r="A' || n || '"><v>' || item
    || '</v></c>' || {cells} || '</row>', '' ORDER BY item)
FROM (
    SELECT reviewer_id, item, item - first_item + 2 AS n, {texts}
    FROM batch JOIN first_items USING (reviewer_id)
)
GROUP BY reviewer_id ORDER BY min(item)
"""
    connection.execute(
        "CREATE TABLE first_items AS SELECT reviewer_id, min(item) AS first_item "
        f"FROM {parquet([review.items])} GROUP BY reviewer_id"
    )
    with pq.ParquetFile(review.items) as file:
        for batch in file.iter_batches(_BATCH_ROWS):
            connection.register("batch", pa.Table.from_batches([batch]))
            yield from connection.sql(query).fetchall()


def _template(review: StoredReview) -> dict[str, bytes]:
    """Return the parts of a workbook without rows."""
    buffer = io.BytesIO()
    with Workbook(buffer, {"constant_memory": True}) as workbook:
        workbook.set_properties({"created": review.facts.created_at.replace(tzinfo=None)})
        bold, wrap = workbook.add_format({"bold": True}), workbook.add_format({"text_wrap": True})
        _write_cover(workbook.add_worksheet(COVER), review, bold, wrap)
        header = workbook.add_format({"bold": True, "bg_color": "#DCE6F1", "bottom": 1})
        entry = workbook.add_format({"locked": False, "bg_color": "#FFF9DB", "text_wrap": True})
        sheet = workbook.add_worksheet(SHEET)
        _write_header(sheet, header, entry)
        sheet.activate()
    with ZipFile(buffer) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    # It would hold the number of rows, which some programs believe.
    parts[_ROWS_PART] = re.sub(rb"<dimension [^>]*>", b"", parts[_ROWS_PART])
    return parts


def cover_facts(review: StoredReview) -> Sequence[tuple[str, str]]:
    """Return label and value of each fact about a review."""
    facts = review.facts
    return (
        (ID_LABEL, facts.review_id),
        ("Integration", review.integration),
        ("Organization", facts.organization or "not known"),
        ("Reviewed by", facts.kind),
        ("Created (UTC)", f"{facts.created_at:%Y-%m-%d %H:%M}"),
        ("Snapshot", facts.snapshot_id),
        ("Pulled (UTC)", f"{facts.pulled_at:%Y-%m-%d %H:%M}"),
        (MANIFEST_LABEL, facts.manifest_sha256),
        ("Accesses in the population", f"{facts.items:,}"),
        ("SHA-256 of the population", facts.population_sha256),
        ("Not read, so not reviewed", ", ".join(_unread(review)) or "nothing"),
    )


def _unread(review: StoredReview) -> list[str]:
    return unread((proof.endpoint for proof in review.facts.completeness), review.facts.kind)


def _write_cover(sheet: Worksheet, review: StoredReview, bold: Format, wrap: Format) -> None:
    own = (("Reviewer", _REVIEWER), (REVIEWER_LABEL, _REVIEWER_ID), ("Your rows", _ROWS))
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 1, 70, wrap)
    sheet.set_column(2, 5, 12)
    row = 0
    for label, value in (*cover_facts(review), *own):
        sheet.write_string(row, 0, label, bold)
        sheet.write_string(row, 1, value)
        row += 1
    steps = (
        f"Fill in {DECISION} (keep or remove) and {REASON} on the sheet {SHEET}; change nothing "
        "else. Save the file as .xlsx and send it back. A row without a decision stays open."
    )
    sheet.write_string(row + 1, 0, "What to do", bold)
    sheet.write_string(row + 1, 1, steps)
    row += 3
    for column, name in enumerate(("List", "Proof that it is complete", "Lists", "Expected")):
        sheet.write_string(row, column, name, bold)
    sheet.write_string(row, 4, "Received", bold)
    for proof in review.facts.completeness:
        row += 1
        sheet.write_string(row, 0, proof.endpoint)
        sheet.write_string(row, 1, proof.proof)
        counts = (proof.lists, proof.expected, proof.received)
        for column, count in enumerate(counts, start=2):
            if count is not None:
                sheet.write_number(row, column, count)
    sheet.protect()
    _set_pages(sheet)


def _write_header(sheet: Worksheet, header: Format, entry: Format) -> None:
    names = (*COLUMNS, DECISION, REASON)
    for column, name in enumerate(names):
        is_entry = name in {DECISION, REASON}
        sheet.set_column(column, column, _WIDTHS[column], entry if is_entry else None)
        sheet.write_string(0, column, name, header)
    last, decision = len(names) - 1, names.index(DECISION)
    sheet.freeze_panes(1, 2)
    sheet.autofilter(0, 0, MAX_ROWS - 1, last)
    sheet.data_validation(
        1,
        decision,
        MAX_ROWS - 1,
        decision,
        {
            "validate": "list",
            "source": list(DECISIONS),
            "error_title": DECISION,
            "error_message": "Choose keep or remove, or leave it empty",
        },
    )
    allowed = ("autofilter", "format_columns", "format_rows", "select_locked_cells")
    sheet.protect("", dict.fromkeys(allowed, True))
    sheet.repeat_rows(0)
    _set_pages(sheet)


def _set_pages(sheet: Worksheet) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.set_header("&L&A&R&P / &N")
