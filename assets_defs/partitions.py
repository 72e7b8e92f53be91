"""One partition per integration, so that each has its own status, retry and backfill."""

import dagster as dg

NAME = "integrations"
INTEGRATIONS = dg.DynamicPartitionsDefinition(name=NAME)
# Every run of an integration has this tag. A job name would miss runs from the asset graph, which
# belong to a job of Dagster's own.
PARTITION_TAG = "dagster/partition"


def add_partition(instance: dg.DagsterInstance, integration: str) -> None:
    """Add the partition of an integration, so that its runs can start now."""
    instance.add_dynamic_partitions(NAME, [integration])
