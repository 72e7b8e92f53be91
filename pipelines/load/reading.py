"""Reads the published file, without ever writing to it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from pipelines.errors import InventoryError
from pipelines.load.quoting import quoted


def open_inventory(path: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the published file; it keeps the inventory that it opened.

    Raises:
        InventoryError: nothing has been published there, or the file is damaged.
    """
    if not path.exists():
        raise InventoryError(f"{path}: no inventory has been published here yet")
    try:
        return duckdb.connect(path, read_only=True)
    except duckdb.Error as error:
        raise InventoryError(
            f"{path}: cannot be opened; `jumpcloud-inventory rebuild` makes it anew: {error}"
        ) from None


@contextmanager
def locked_down(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection for queries of others: it reads no other file, and writes none.

    Raises:
        InventoryError: the file cannot be opened, or a query failed, with DuckDB's message.
    """
    with (
        tempfile.TemporaryDirectory(prefix="jumpcloud-inventory-") as spill,
        open_inventory(path) as connection,
    ):
        connection.execute(f"SET TimeZone = 'UTC'; SET temp_directory = {quoted(spill)}")
        # Variables of this program are no tables.
        connection.execute("SET python_enable_replacements = false")
        connection.execute("SET enable_external_access = false; SET lock_configuration = true")
        try:
            yield connection
        except duckdb.Error as error:
            raise InventoryError(str(error)) from None
