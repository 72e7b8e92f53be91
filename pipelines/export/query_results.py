"""Write query results as CSV, JSON, JSON Lines or Parquet."""

import errno
import os
import re
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import InventoryError
from pipelines.sql import identifier, quoted

Relation = duckdb.DuckDBPyRelation

_OPTIONS = {"csv": "FORMAT csv", "json": "FORMAT json, ARRAY true", "jsonl": "FORMAT json"}
_BATCH_ROWS = 100_000
_EMPTY_ARRAY = "[\n\t\n]\n"
_NESTED = frozenset({"list", "array", "struct", "map", "union"})
_FLOATING = frozenset({"float", "double"})
_INTEGERS = frozenset(
    f"{sign}{size}int" for sign in ("", "u") for size in ("tiny", "small", "big", "huge")
) | {"integer", "uinteger"}
_UNQUOTED = _INTEGERS | _FLOATING | {"boolean", "decimal"}
# DuckDB reports the system's error only as text.
_FILE_ERROR = re.compile(r'(?:open|write)(?: to)? file .*": (?P<cause>[^"]+)')
_ERROR_NUMBERS = {os.strerror(number): number for number in errno.errorcode}


def without_formula(column: str) -> str:
    """Return SQL of a text column with a `'` before texts that a spreadsheet would run.

    Args:
        column: an SQL identifier.
    """
    starts = "'=', '+', '-', '@', chr(9), chr(10), chr(13)"
    wide = "chr(65309), chr(65291), chr(65293), chr(65312)"  # full-width forms of the first four
    return f"CASE WHEN {column}[1] IN ({starts}, {wide}) THEN '''' || {column} ELSE {column} END"


def write_result(
    connection: duckdb.DuckDBPyConnection, relation: Relation, form: str, path: Path
) -> None:
    """Write all rows of a relation. A repeated column name gets a number.

    Args:
        connection: the relation's connection. It must be allowed to write the file, and needs
            `disable_async_writes`.
        relation: the result.
        form: `csv` (with a header; nested values are JSON in their cell; an empty text is quoted,
            NULL is not), `json` (an array of objects), `jsonl` (an object per line) or `parquet`.
        path: the file. An existing one is overwritten.

    Raises:
        InventoryError: Parquet has no equivalent of a column's type.
        OSError: the file cannot be written.
        duckdb.Error: the query failed.
    """
    # By position, since a name may occur twice.
    numbers = range(1, len(relation.columns) + 1)
    rows = relation.project(", ".join(f"#{number}" for number in numbers))
    if form == "parquet":
        _write_parquet(rows, path)
        return
    kinds = {identifier(name): kind.id for name, kind in zip(rows.columns, rows.types, strict=True)}
    # DuckDB's own temporary file would have a name that `allowed_paths` does not include.
    options = f"{_OPTIONS[form]}, USE_TMP_FILE false"
    texts = [name for name, kind in kinds.items() if kind not in _UNQUOTED]
    if form == "csv" and texts:
        # Other programs read NULL or null without quotes as a missing value.
        options += f", FORCE_QUOTE ({', '.join(texts)})"
    projection = ", ".join(f"{_value(*column, form)} AS {column[0]}" for column in kinds.items())
    # A view instead would appear in the result of SHOW TABLES.
    query = rows.project(projection).sql_query()
    _copy(connection, f"COPY ({query}) TO {quoted(str(path.absolute()))} ({options})")
    if form == "json" and path.stat().st_size == len(_EMPTY_ARRAY):
        path.write_text("[]\n", encoding="utf-8")


def _copy(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    try:
        connection.execute(statement)
    except duckdb.IOException as error:
        if found := _FILE_ERROR.search(str(error)):
            number = _ERROR_NUMBERS.get(found["cause"], errno.EIO)
            raise OSError(number, found["cause"]) from None
        raise


def _write_parquet(rows: Relation, path: Path) -> None:
    # DuckDB's own Parquet files mark the columns that happen to have no NULL as required, so the
    # schema of a table would change with its rows.
    try:
        with (
            rows.to_arrow_reader(_BATCH_ROWS) as batches,
            path.open("wb") as sink,
            pq.ParquetWriter(sink, batches.schema, compression="zstd") as writer,
        ):
            for batch in batches:
                writer.write_batch(batch)
    except pa.ArrowException as error:
        raise InventoryError(f"the result cannot be written as parquet: {error}") from None


def _value(column: str, kind: str, form: str) -> str:
    if form == "csv":
        return as_text(column, kind)
    # JSON has no infinity and no NaN.
    return f"CASE WHEN isfinite({column}) THEN {column} END" if kind in _FLOATING else column


def as_text(column: str, kind: str) -> str:
    """Return SQL of a column as text, where nested values are JSON.

    Args:
        column: an SQL identifier.
        kind: the id of its type.
    """
    return f"to_json({column})::VARCHAR" if kind in _NESTED else f"{column}::VARCHAR"
