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
    """The integrations that Dagster's instance knows, or else those of the settings.

    Without the latter, Dagster's own commands refuse an integration until a sensor or a run has
    added it; and `dagster job backfill` asks without an instance.
    """

    workspace: Workspace  # Dagster's class is a tuple, which makes itself

    def get_partition_keys(
        self,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> Sequence[str]:
        """Return the names that the instance has; without an instance, those of the settings."""
        with dg.partition_loading_context(current_time, dynamic_partitions_store) as context:
            if context.dynamic_partitions_store:
                return super().get_partition_keys()
        return self._names()

    def has_partition_key(
        self,
        partition_key: str,
        current_time: datetime | None = None,
        dynamic_partitions_store: DynamicPartitionsStore | None = None,
    ) -> bool:
        """Return True if the instance or the settings have an integration of that name."""
        is_known = super().has_partition_key(partition_key, current_time, dynamic_partitions_store)
        return is_known or partition_key in self._names()

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
