"""The asset keys: raw tables under `jumpcloud`, tables of the data contract under `inventory`."""

import dagster as dg

JUMPCLOUD = "jumpcloud"
INVENTORY = "inventory"
COMPLETENESS = "completeness"
PULLS = "pulls"


def raw_key(name: str) -> dg.AssetKey:
    """The asset key of a raw table."""
    return dg.AssetKey([JUMPCLOUD, name])


def table_key(name: str) -> dg.AssetKey:
    """The asset key of a table of the contract."""
    return dg.AssetKey([INVENTORY, name])
