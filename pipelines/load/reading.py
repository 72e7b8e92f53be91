"""Reads the published file, without ever writing to it."""

from pathlib import Path

import duckdb

from pipelines.errors import InventoryError


def open_inventory(path: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the published file; it keeps the inventory that it opened.

    Raises:
        InventoryError: nothing has been published there.
    """
    if not path.exists():
        raise InventoryError(f"{path}: no inventory has been published here yet")
    return duckdb.connect(path, read_only=True)
