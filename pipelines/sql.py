"""DuckDB in memory, within bounds."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from pathlib import Path

import duckdb


def quoted(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def parquet(files: Sequence[Path]) -> str:
    """SQL of the rows of files of one table, in the files' order.

    A column that a file does not have is NULL: files of an earlier version have fewer.
    """
    paths = ", ".join(map(quoted, map(str, files)))
    # A folder named column=value is no column of the table.
    return f"read_parquet([{paths}], union_by_name = true, hive_partitioning = false)"


# Beyond this it spills: a pull of 100,000 systems must fit beside other work on a small machine.
MEMORY = "512MB"

_outer: ContextVar[duckdb.DuckDBPyConnection | None] = ContextVar("outer", default=None)
_numbers = count()


@contextmanager
def in_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose times are UTC and whose memory is bounded: the rest spills to disk.

    Its database is empty, and nobody else's. One that is opened within another shares the other's
    memory, since starting DuckDB takes longer than most of what is asked; so does a function that
    it creates, until it removes it.
    """
    outer = _outer.get()
    with _nested_database(outer) if outer else _new_database() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@contextmanager
def _new_database() -> Iterator[duckdb.DuckDBPyConnection]:
    with (
        tempfile.TemporaryDirectory(prefix="jumpcloud-inventory-") as spill,
        duckdb.connect(config={"temp_directory": spill, "memory_limit": MEMORY}) as connection,
    ):
        _outer.set(connection)
        try:
            yield connection
        finally:
            _outer.set(None)


@contextmanager
def _nested_database(outer: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    name = f"within_{next(_numbers)}"
    with outer.cursor() as connection:
        connection.execute(f"ATTACH ':memory:' AS {name}; USE {name}")
        try:
            yield connection
        finally:
            connection.execute(f"USE memory; DETACH {name}")
