"""Open the published file for reading."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType

import duckdb

from pipelines.errors import NOT_PUBLISHED, PUBLISH, InventoryError
from pipelines.sql import MEMORY, disable_async_writes, identifier, quoted
from pipelines.temporary import temporary_folder


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
        raise InventoryError(f"{path}: {NOT_PUBLISHED}. {PUBLISH}")
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


# Text stays text: DuckDB would take an id such as 007 or 64e1 for a number.
_READERS = {
    ".csv": "read_csv({path}, all_varchar = true)",
    ".json": "read_json({path})",
    ".jsonl": "read_json({path})",
    ".parquet": "read_parquet({path})",
}


def open_sandboxed(
    path: Path,
    output: Path | None = None,
    views: Mapping[str, Path] = MappingProxyType({}),
) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
    """Open the published file for untrusted queries, which can access no other files than these.

    Args:
        path: the published file.
        output: the file that a result is written to.
        views: files to query with the inventory, by the name of their view.

    Raises:
        InventoryError: a file cannot be opened, or a query failed.
    """
    files = [*([output] if output else []), *views.values()]
    allowed = ", ".join(quoted(str(file.absolute())) for file in files)
    # Python variables of this program must not be readable as tables.
    return _open_spilling(
        path,
        f"SET python_enable_replacements = false; SET allowed_paths = [{allowed}]; "
        "SET enable_external_access = false; SET lock_configuration = true; "
        + "; ".join(_create_view(name, file) for name, file in views.items()),
    )


def _create_view(name: str, file: Path) -> str:
    reader = _READERS.get(file.suffix.lower())
    if reader is None or not file.is_file():
        kinds = ", ".join(_READERS)
        raise InventoryError(f"{file}: cannot be read. Name a file that ends in {kinds}")
    source = reader.format(path=quoted(str(file.absolute())))
    taken = quoted(f"the inventory has a table {name}. Name the file's table differently")
    return (
        f"SELECT error({taken}) FROM information_schema.tables WHERE table_name = {quoted(name)}; "
        f"CREATE TEMP VIEW {identifier(name)} AS FROM {source}"
    )


@contextmanager
def _open_spilling(path: Path, settings: str) -> Iterator[duckdb.DuckDBPyConnection]:
    with (
        temporary_folder() as spill,
        open_inventory(path) as connection,
    ):
        connection.execute(f"SET temp_directory = {quoted(str(spill))}")
        disable_async_writes(connection)
        try:
            connection.execute(settings)
            yield connection
        except duckdb.Error as error:
            raise InventoryError(str(error)) from None
