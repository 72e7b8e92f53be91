"""One partition per integration, so that each has its own status, retry and backfill."""

import dagster as dg

from assets_defs.asset_keys import AssetKeys

# In version 0.1 it was `integrations`. That set stays as it is, because others may use it too.
# Dagster finds what was materialized by the key alone: a key that is added here has its history.
NAME = "jumpcloud_inventory_integrations"
# Every run of an integration has this tag. A job name would miss runs from the asset graph, which
# belong to a job of Dagster's own.
PARTITION_TAG = "dagster/partition"


def partitions(keys: AssetKeys) -> dg.DynamicPartitionsDefinition:
    """Return the partitions: the integrations that are known to Dagster."""
    return dg.DynamicPartitionsDefinition(name=keys.name(NAME))


def add_partition(instance: dg.DagsterInstance, keys: AssetKeys, integration: str) -> None:
    """Add the partition of an integration, so that its runs can start now."""
    instance.add_dynamic_partitions(keys.name(NAME), [integration])
