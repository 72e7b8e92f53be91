"""Read a returned workbook, and refuse it unless it has exactly the rows that were written."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from warnings import catch_warnings, simplefilter
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile

import duckdb
import pyarrow as pa
from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from pipelines.errors import InventoryError
from pipelines.reviews.store import StoredReview, find_review
from pipelines.reviews.workbook import (
    COLUMNS,
    COVER,
    DECISION,
    DECISIONS,
    ID_LABEL,
    MANIFEST_LABEL,
    REASON,
    REVIEWER_LABEL,
    SHEET,
    displayed,
)
from pipelines.sql import in_memory, parquet, quoted

_MAX_NAMED = 5
_NAMES = (*COLUMNS, DECISION, REASON)
_Cell = object
_Rows = Sequence[Sequence[_Cell]]
# The rows as they were written, next to those of the file.
_COMPARED = """
CREATE TABLE compared AS
SELECT coalesce(e.item::VARCHAR, 'row ' || g.file_row) AS name,
    CASE WHEN g.file_row IS NULL THEN 'missing' WHEN e.item IS NULL OR copies > 1 THEN 'added'
        WHEN ({given}) IS DISTINCT FROM ({expected}) THEN 'changed'
        WHEN g.decision NOT IN ('', {decisions}) THEN 'undecidable' END AS problem,
    e.item, g.decision, g.reason
FROM (SELECT item, {cells} FROM {items} WHERE reviewer_id = {reviewer}) e
FULL JOIN (SELECT * REPLACE (lower(trim(decision)) AS decision),
    count(*) OVER (PARTITION BY c0) AS copies FROM given) g
    ON g.c0 = e.item::VARCHAR
ORDER BY e.item, g.file_row
"""
_PROBLEMS = {
    "missing": "rows are missing: item",
    "added": "rows were added or repeated:",
    "changed": "rows were changed: item",
    "undecidable": f"decisions are neither {' nor '.join(DECISIONS)}: item",
}


@dataclass(frozen=True)
class ReturnedWorkbook:
    """The decisions of a workbook.

    Attributes:
        review: the review.
        decided_at: time of the import.
        rows: reviewer_id, item, decision, reason and time of each row with a decision.
        count: number of rows of the workbook.
    """

    review: StoredReview
    decided_at: datetime
    rows: pa.Table
    count: int


def read_returned(
    path: Path, decided_at: datetime, reviews: list[StoredReview]
) -> ReturnedWorkbook:
    """Read the decisions of a workbook.

    Args:
        path: the workbook.
        decided_at: time of the import.
        reviews: the reviews that it may be of.

    Raises:
        InventoryError: it cannot be read, is of another review or snapshot, or has rows that were
            changed or added, or without some that were written.
    """
    cover, rows = _read_sheets(path)
    facts = {_text(row[0]): _text(row[1]) for row in cover if len(row) > 1}
    try:
        review = find_review(reviews, facts.get(ID_LABEL, ""))
    except InventoryError as error:
        raise InventoryError(f"{path}: {error}") from None
    if facts.get(MANIFEST_LABEL) != review.facts.manifest_sha256:
        raise InventoryError(
            f"{path}: refused: its {MANIFEST_LABEL} is not that of review "
            f"{review.facts.review_id}, so it is of another snapshot"
        )
    with in_memory() as connection:
        connection.register("given", _given(path, rows))
        _compare(connection, review, facts.get(REVIEWER_LABEL, ""))
        _refuse_problems(connection, path)
        ((count,),) = connection.execute("SELECT count(*) FROM compared").fetchall()
        decided = connection.sql(
            f"SELECT {quoted(facts.get(REVIEWER_LABEL, ''))} AS reviewer_id, item, decision, "
            f"nullif(reason, '') AS reason, TIMESTAMPTZ {quoted(decided_at.isoformat())} AS "
            "decided_at FROM compared WHERE decision <> '' ORDER BY item"
        ).to_arrow_table()
    return ReturnedWorkbook(review, decided_at, decided, int(count))


def _read_sheets(path: Path) -> tuple[_Rows, _Rows]:
    try:
        with catch_warnings():
            simplefilter("ignore")  # about styles that another program wrote
            workbook = load_workbook(path, read_only=True, data_only=True)
        if not {COVER, SHEET} <= {*workbook.sheetnames}:
            raise InventoryError(
                f"{path}: refused: it has no sheets {COVER} and {SHEET}, so it is no workbook of a "
                "review. Name one that `jumpcloud-inventory review create` wrote"
            )
        cover, rows = ([*workbook[name].iter_rows(values_only=True)] for name in (COVER, SHEET))
        workbook.close()
    except (BadZipFile, InvalidFileException, KeyError, OSError, ParseError, ValueError) as error:
        raise InventoryError(
            f"{path}: cannot be read as a workbook ({error}). Save it as .xlsx"
        ) from None
    return cover, rows


def _given(path: Path, rows: _Rows) -> pa.Table:
    """Return the rows of the file as text, with their numbers in it."""
    header, *body = rows or [[]]
    if [str(cell) for cell in header[: len(_NAMES)]] != [*_NAMES]:
        raise InventoryError(
            f"{path}: refused: the columns of its sheet {SHEET} are not those that were written. "
            "Fill in a copy of the original"
        )
    padding = [None] * len(_NAMES)  # a row ends with its last cell that is filled in
    kept = [
        (number, *map(_text, (*row, *padding)[: len(_NAMES)]))
        for number, row in enumerate(body, start=2)
        if any(cell is not None for cell in row)
    ]
    columns: list[Sequence[object]] = [*zip(*kept, strict=True)] or [()] * (len(_NAMES) + 1)
    names = ["file_row", *(f"c{number}" for number in range(len(COLUMNS))), "decision", "reason"]
    types = [pa.int64(), *[pa.string()] * len(_NAMES)]
    arrays = [pa.array(column, kind) for column, kind in zip(columns, types, strict=True)]
    return pa.Table.from_arrays(arrays, names=names)


def _text(cell: _Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip(" ")


def _compare(connection: duckdb.DuckDBPyConnection, review: StoredReview, reviewer: str) -> None:
    """Create the table `compared`: each row of the file or of the population, and its problem."""
    texts = [*COLUMNS][1:]
    numbers = range(1, len(COLUMNS))
    connection.execute(
        _COMPARED.format(
            given=", ".join(f"g.c{number}" for number in numbers),
            expected=", ".join(f"e.x{number}" for number in numbers),
            cells=", ".join(
                f"{displayed(name)} AS x{number}" for number, name in enumerate(texts, start=1)
            ),
            items=parquet([review.items]),
            reviewer=quoted(reviewer),
            decisions=", ".join(map(quoted, DECISIONS)),
        )
    )


def _refuse_problems(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    found = connection.sql(
        f"SELECT problem, count(*), list(name ORDER BY item)[:{_MAX_NAMED}] FROM compared "
        "WHERE problem IS NOT NULL GROUP BY problem ORDER BY problem"
    ).fetchall()
    if found:
        parts = [
            f"{count:,} {_PROBLEMS[problem]} {', '.join(names)}" + (", ..." * (count > _MAX_NAMED))
            for problem, count, names in found
        ]
        raise InventoryError(
            f"{path}: refused: {re.sub(r'^1 rows (are|were)', '1 row was', '; '.join(parts))}. "
            "Fill in a copy of the original"
        )
