"""Open the published file for reading."""

import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import duckdb

from pipelines.errors import InventoryError
from pipelines.sql import MEMORY, disable_async_writes, quoted


def open_inventory(path: str | Path) -> duckdb.DuckDBPyConnection:
    """Open the published file read-only, for queries, Arrow tables and pandas frames.

    The connection blocks no run. It keeps the inventory that it opened: open another one to see a
    newer inventory. Times are in UTC.

        from pipelines import open_inventory

        with open_inventory("data/inventory.duckdb") as inventory:
            systems = inventory.sql("FROM systems").df()
            ids = inventory.sql("SELECT system_id FROM systems").to_arrow_table()

    Args:
        path: the file, `inventory.duckdb` in the data directory.

    Raises:
        InventoryError: the file does not exist or is damaged, or a program tried to change it.
    """
    if not Path(path).exists():
        raise InventoryError(f"{path}: no inventory has been published here yet")
    refuse_log(Path(path))
    try:
        connection = duckdb.connect(path, read_only=True)
    except duckdb.Error as error:
        raise InventoryError(
            f"{path}: cannot be opened: {error}. Run `jumpcloud-inventory rebuild`"
        ) from None
    # Global: libraries such as pandas and polars query through a cursor of their own.
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection


def log_path(path: Path) -> Path:
    """Return the path of DuckDB's write-ahead log of a file."""
    return path.with_name(f"{path.name}.wal")


def refuse_log(path: Path) -> None:
    """Raise if a write-ahead log is next to the published file, which is never changed in place.

    DuckDB would replay it, even if it was written for a file that a publication has replaced.

    Raises:
        InventoryError: there is a log.
    """
    log = log_path(path)
    if log.exists():
        raise InventoryError(
            f"{log}: another program wrote changes that do not belong to the inventory. End that "
            "program and remove this file; the next publication removes it too"
        )


def open_bounded(path: Path) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """Open the published file with a bounded memory, beyond which DuckDB spills to disk.

    Raises:
        InventoryError: the file cannot be opened, or a query failed.
    """
    return _open_spilling(path, f"SET memory_limit = '{MEMORY}'")


def open_sandboxed(
    path: Path, output: Path | None = None
) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """Open the published file for untrusted queries, which can access no file but `output`.

    Args:
        path: the published file.
        output: the file that a result is written to.

    Raises:
        InventoryError: the file cannot be opened, or a query failed.
    """
    allowed = f"[{quoted(str(output.absolute()))}]" if output else "[]"
    # Python variables of this program must not be readable as tables.
    return _open_spilling(
        path,
        f"SET python_enable_replacements = false; SET allowed_paths = {allowed}; "
        "SET enable_external_access = false; SET lock_configuration = true",
    )


@contextmanager
def _open_spilling(path: Path, settings: str) -> Iterator[duckdb.DuckDBPyConnection]:
    with (
        tempfile.TemporaryDirectory(prefix="jumpcloud-inventory-") as spill,
        open_inventory(path) as connection,
    ):
        connection.execute(f"SET temp_directory = {quoted(spill)}")
        disable_async_writes(connection)
        connection.execute(settings)
        try:
            yield connection
        except duckdb.Error as error:
            raise InventoryError(str(error)) from None
