"""One partition per integration, so that each has its own status, retry and backfill."""

from collections.abc import Collection, Sequence
from datetime import datetime

import dagster as dg
from dagster._core.instance import DynamicPartitionsStore

from assets_defs.asset_keys import AssetKeys
from pipelines.errors import SettingsError
from pipelines.extract.discovery import resolved_settings
from pipelines.workspace import Workspace

# In version 0.1 it was `integrations`. That set stays as it is, because others may use it too.
# Dagster finds what was materialized by the key alone: a key that is added here has its history.
NAME = "jumpcloud_inventory_integrations"
# Every run of an integration has this tag. A job name would miss runs from the asset graph, which
# belong to a job of Dagster's own.
PARTITION_TAG = "dagster/partition"


class IntegrationPartitions(dg.DynamicPartitionsDefinition):
    """The integrations that Dagster knows, and those of the settings that it does not know yet.

    Without the latter, Dagster's own commands refuse an integration until a sensor or a run has
    added it. `dagster job backfill` asks without an instance, which has the former.
    """

    workspace: Workspace  # Dagster's class is a tuple, which makes itself

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        """Return the names of the integrations."""
        known: Sequence[str] = ()
        with dg.partition_loading_context(current_time, dynamic_partitions_store) as context:
            if context.dynamic_partitions_store:
                known = super().get_partition_keys()
        return [*known, *(name for name in self._names() if name not in known)]

    def has_partition_key(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> bool:
        """Return True if there is an integration of that name."""
        return partition_key in self._names() or super().has_partition_key(
            partition_key, current_time, dynamic_partitions_store
        )

    def _names(self) -> list[str]:
        try:
            return [one.name for one in resolved_settings(self.workspace).integration]
        except SettingsError:  # a sensor and each run report it
            return []


def build_partitions(workspace: Workspace) -> IntegrationPartitions:
    """Return the partitions of a workspace."""
    partitions = IntegrationPartitions(name=AssetKeys(workspace.prefix).name(NAME))
    partitions.workspace = workspace
    return partitions


def add_partitions(
    instance: dg.DagsterInstance, keys: AssetKeys, integrations: Collection[str]
) -> None:
    """Add the partitions of integrations that Dagster does not know, so that runs can start now."""
    name = keys.name(NAME)
    if unknown := set(integrations).difference(instance.get_dynamic_partitions(name)):
        instance.add_dynamic_partitions(name, sorted(unknown))
