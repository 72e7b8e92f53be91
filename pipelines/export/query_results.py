"""Writes what a query finds as CSV, JSON or Parquet, a batch at a time."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipelines.errors import InventoryError
from pipelines.sql import identifier, quoted

BATCH_ROWS = 100_000

_NESTED = frozenset({"list", "array", "struct", "map", "union"})
_WHOLE = frozenset(
    f"{sign}{size}int" for sign in ("", "u") for size in ("tiny", "small", "big")
) | {"integer", "uinteger"}
_FLOATING = frozenset({"float", "double"})
_AS_THEY_ARE = _WHOLE | _FLOATING | {"boolean", "varchar"}

Relation = duckdb.DuckDBPyRelation


def write_result(relation: Relation, form: str, sink: BinaryIO) -> None:
    """Write all rows; a column name that comes twice gets a number.

    Args:
        relation: the result, not read yet.
        form: `csv` (with a header; lists and the like are JSON in their cell; an empty text is
            quoted, NULL is not), `json` (an array of objects), `jsonl` (an object a line) or
            `parquet`.
        sink: where the bytes go; it stays open.

    Raises:
        InventoryError: the query failed on the way, or the form has no place for a column's type.
    """
    try:
        _WRITERS[form](relation.project(_positions(relation)), sink)
    except pa.ArrowException as error:
        raise InventoryError(f"the result cannot be written as {form}: {error}") from None


def _positions(relation: Relation) -> str:
    return ", ".join(f"#{number}" for number, _ in enumerate(relation.columns, start=1))


def _write_csv(relation: Relation, sink: BinaryIO) -> None:
    cells = (
        f"{as_text(identifier(name), kind.id)} AS {identifier(name)}"
        for name, kind in zip(relation.columns, relation.types, strict=True)
    )
    with (
        # One that is left half read keeps the file open, and the next to open it waits for ever.
        relation.project(", ".join(cells)).to_arrow_reader(BATCH_ROWS) as rows,
        pyarrow.csv.CSVWriter(sink, rows.schema) as writer,
    ):
        for batch in rows:
            writer.write_batch(batch)


def as_text(column: str, kind: str) -> str:
    """SQL of a column as a cell holds it: lists and the like are JSON.

    Args:
        column: an SQL identifier.
        kind: the id of its type.
    """
    if kind in _AS_THEY_ARE:
        return column
    return f"to_json({column})::VARCHAR" if kind in _NESTED else f"{column}::VARCHAR"


def _write_json(relation: Relation, sink: BinaryIO) -> None:
    separator = b"[\n"
    for row in _objects(relation):
        sink.write(separator + row.encode())
        separator = b",\n"
    sink.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def _write_json_lines(relation: Relation, sink: BinaryIO) -> None:
    sink.writelines(row.encode() + b"\n" for row in _objects(relation))


def _objects(relation: Relation) -> Iterator[str]:
    fields = (
        # JSON knows neither infinity nor NaN.
        f"{quoted(name)}: CASE WHEN isfinite({identifier(name)}) THEN {identifier(name)} END"
        if kind.id in _FLOATING
        else f"{quoted(name)}: {identifier(name)}"
        for name, kind in zip(relation.columns, relation.types, strict=True)
    )
    rows = relation.project(f"to_json({{{', '.join(fields)}}})::VARCHAR AS row")
    for batch in rows.to_arrow_reader(BATCH_ROWS):
        yield from batch["row"].to_pylist()


def _write_parquet(relation: Relation, sink: BinaryIO) -> None:
    with (
        relation.to_arrow_reader(BATCH_ROWS) as rows,
        pq.ParquetWriter(sink, rows.schema, compression="zstd") as writer,
    ):
        for batch in rows:
            writer.write_batch(batch)


_WRITERS: dict[str, Callable[[Relation, BinaryIO], None]] = {
    "csv": _write_csv,
    "json": _write_json,
    "jsonl": _write_json_lines,
    "parquet": _write_parquet,
}
