"""Reads the published file, without ever writing to it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.errors import InventoryError
from pipelines.export.query_results import disable_async_writes
from pipelines.sql import MEMORY, quoted


def open_inventory(path: str | Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the published file, for queries, Arrow tables and pandas frames.

    It blocks no run, and keeps the inventory that it opened: close it and open another to see a
    newer one. Times are in UTC.

        from pipelines import open_inventory

        with open_inventory("data/inventory.duckdb") as inventory:
            systems = inventory.sql("FROM systems").df()
            ids = inventory.sql("SELECT system_id FROM systems").to_arrow_table()

    Args:
        path: the file, `inventory.duckdb` in the data directory.

    Raises:
        InventoryError: nothing has been published there, or the file is damaged.
    """
    if not Path(path).exists():
        raise InventoryError(f"{path}: no inventory has been published here yet")
    try:
        connection = duckdb.connect(path, read_only=True)
    except duckdb.Error as error:
        raise InventoryError(
            f"{path}: cannot be opened; `jumpcloud-inventory rebuild` makes it anew: {error}"
        ) from None
    connection.execute("SET TimeZone = 'UTC'")
    return connection


@contextmanager
def spilling(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that spills to a directory of its own, which goes afterwards.

    Raises:
        InventoryError: the file cannot be opened, or a query failed, with DuckDB's message.
    """
    with (
        tempfile.TemporaryDirectory(prefix="jumpcloud-inventory-") as spill,
        open_inventory(path) as connection,
    ):
        connection.execute(f"SET temp_directory = {quoted(spill)}")
        disable_async_writes(connection)
        try:
            yield connection
        except duckdb.Error as error:
            raise InventoryError(str(error)) from None


@contextmanager
def bounded(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection whose memory is bounded: what it takes beyond is spilled.

    Raises:
        InventoryError: the file cannot be opened, or a query failed, with DuckDB's message.
    """
    with spilling(path) as connection:
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        yield connection


@contextmanager
def locked_down(path: Path, output: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection for queries of users. It can access no other file than `output`.

    Args:
        path: the published file.
        output: the file that a result is written to.

    Raises:
        InventoryError: the file cannot be opened, or a query failed, with DuckDB's message.
    """
    with spilling(path) as connection:
        # Variables of this program are no tables.
        connection.execute("SET python_enable_replacements = false")
        if output is not None:
            connection.execute(f"SET allowed_paths = [{quoted(str(output.absolute()))}]")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        yield connection
