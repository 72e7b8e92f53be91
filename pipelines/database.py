"""DuckDB in memory, within bounds."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

# Beyond this it spills: a pull of 100,000 systems must fit beside other work on a small machine.
MEMORY = "512MB"


@contextmanager
def in_memory() -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose times are UTC and whose memory is bounded: the rest spills to disk."""
    with (
        tempfile.TemporaryDirectory(prefix="jumpcloud-inventory-") as spill,
        duckdb.connect(config={"temp_directory": spill, "memory_limit": MEMORY}) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
