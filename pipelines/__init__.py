"""The engine of the inventory: pull, transform, keep history, publish, report and export.

Plain Python; no module here imports Dagster.

    from pipelines import open_inventory

    with open_inventory("data/inventory.duckdb") as inventory:
        systems = inventory.sql("FROM systems").df()
"""

from pipelines.publish.reader import open_inventory

__all__ = ["open_inventory"]
