"""Makes the report of the published file."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.errors import InventoryError
from pipelines.report.facts import Facts
from pipelines.report.page import render
from pipelines.report.queries import read_facts
from pipelines.sql import in_memory, quoted
from pipelines.storage.atomic import write_text


def write_report(inventory: Path, path: Path) -> Sequence[Facts]:
    """Write the report of a published file and rename it over the last one; what it says.

    The same file gives the same report, byte by byte.

    Args:
        inventory: the DuckDB file.
        path: the report.

    Raises:
        InventoryError: the report cannot be written; the last one stays.
        duckdb.Error: the file is missing or damaged, or there is no room to answer.
    """
    with in_memory() as connection:
        connection.execute(f"ATTACH {quoted(str(inventory))} AS inventory (READ_ONLY)")
        connection.execute("USE inventory")
        facts = read_facts(connection)
    try:
        write_text(render(facts), path)
    except OSError as error:
        raise InventoryError(
            f"{path}: cannot be written ({error.strerror}); when that is mended, "
            "`jumpcloud-inventory rebuild` writes it"
        ) from None
    return facts
