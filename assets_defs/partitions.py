"""One partition per integration, so that each has its own status, retry and backfill."""

import dagster as dg

# In version 0.1 it was `integrations`. That set stays as it is, because others may use it too.
# Dagster finds what was materialized by the key alone: a key that is added here has its history.
NAME = "jumpcloud_inventory_integrations"
INTEGRATIONS = dg.DynamicPartitionsDefinition(name=NAME)
# Every run of an integration has this tag. A job name would miss runs from the asset graph, which
# belong to a job of Dagster's own.
PARTITION_TAG = "dagster/partition"


def add_partition(instance: dg.DagsterInstance, integration: str) -> None:
    """Add the partition of an integration, so that its runs can start now."""
    instance.add_dynamic_partitions(NAME, [integration])
