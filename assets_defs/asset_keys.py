"""The asset keys: raw tables under `jumpcloud`, tables of the data contract under `inventory`."""

import dagster as dg

from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.schema.tables import INVENTORY_TABLES, RUN_TABLES

JUMPCLOUD = "jumpcloud"
INVENTORY = "inventory"
COMPLETENESS = "completeness"
ACCESS_DIFFERENCES = "access_differences"
PULLS = "pulls"
# The group of the assets that cover all integrations.
COMBINED = "combined"
OWNERS = ["team:security"]


def raw_key(name: str) -> dg.AssetKey:
    """Return the asset key of a raw table."""
    return dg.AssetKey([JUMPCLOUD, name])


def table_key(name: str) -> dg.AssetKey:
    """Return the asset key of a table of the contract."""
    return dg.AssetKey([INVENTORY, name])


INVENTORY_DUCKDB = table_key("inventory_duckdb")
INVENTORY_OF_ALL = table_key("inventory_of_all")
# What a run of an integration materializes.
REFRESHED = frozenset(
    {
        *map(raw_key, (*ENDPOINTS, COMPLETENESS, ACCESS_DIFFERENCES, PULLS)),
        *(table_key(table.name) for table in (*INVENTORY_TABLES, *RUN_TABLES)),
        INVENTORY_DUCKDB,
    }
)
