"""The engine of the inventory: pull, transform, keep history, publish, report and export.

Plain Python; no module here imports Dagster.

    from pipelines import open_inventory

    with open_inventory("data/inventory.duckdb") as inventory:
        systems = inventory.sql("FROM systems").df()
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.publish.reader import open_inventory

__all__ = ["open_inventory"]


def __getattr__(name: str) -> object:
    """Import `open_inventory` on first use: importing any module here would load DuckDB."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipelines.publish import reader  # noqa: PLC0415 -- see above

    return getattr(reader, name)
