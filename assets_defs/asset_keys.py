"""The names of an inventory in Dagster: asset keys, jobs, sensors, steps and partitions."""

from dataclasses import dataclass
from functools import cached_property

import dagster as dg

from pipelines.config.exports import Exports
from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.schema.tables import INVENTORY_TABLES, RUN_TABLES

# The groups of assets, in the order of a run. The first two are also parts of keys.
JUMPCLOUD = "jumpcloud"
INVENTORY = "inventory"
PUBLISHED = "published"
COMPLETENESS = "completeness"
ACCESS_DIFFERENCES = "access_differences"
PULLS = "pulls"
OWNERS = ["team:security"]


@dataclass(frozen=True)
class AssetKeys:
    """The asset keys: raw tables under `jumpcloud`, tables of the data contract under `inventory`.

    Attributes:
        prefix: comes before all keys and names, so that one instance can hold several inventories.
    """

    prefix: tuple[str, ...] = ()

    def raw(self, name: str) -> dg.AssetKey:
        """Return the asset key of a raw table."""
        return dg.AssetKey([*self.prefix, JUMPCLOUD, name])

    def table(self, name: str) -> dg.AssetKey:
        """Return the asset key of a table of the contract."""
        return dg.AssetKey([*self.prefix, INVENTORY, name])

    def name(self, name: str) -> str:
        """Return the name of a job, a sensor, a step or a set of partitions."""
        return "_".join([*self.prefix, name])

    @property
    def io_manager(self) -> str:
        """Return the name of the resource that reads published tables."""
        return self.name("jumpcloud_inventory_io")

    @property
    def inventory_duckdb(self) -> dg.AssetKey:
        """Return the asset key of the file that users query."""
        return self.table("inventory_duckdb")

    @property
    def findings(self) -> dg.AssetKey:
        """Return the asset key of the security findings."""
        return self.table("findings")

    @property
    def publication(self) -> dg.AssetKey:
        """Return the asset key that is updated at each publication."""
        return self.table("publication")

    @property
    def inventory_of_all(self) -> dg.AssetKey:
        """Return the asset key of the file over all integrations, in an object store."""
        return self.table("inventory_of_all")

    @cached_property
    def refreshed(self) -> frozenset[dg.AssetKey]:
        """Return what a run of an integration materializes."""
        raw = map(self.raw, (*ENDPOINTS, COMPLETENESS, ACCESS_DIFFERENCES, PULLS))
        tables = (self.table(table.name) for table in (*INVENTORY_TABLES, *RUN_TABLES))
        return frozenset({*raw, *tables, self.inventory_duckdb, self.findings})

    @property
    def exports(self) -> frozenset[dg.AssetKey]:
        """Return what such a run also materializes, as far as the settings have it."""
        return frozenset(map(self.table, Exports.model_fields))
