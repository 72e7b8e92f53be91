"""One partition per integration, so that each has its own status, retry and backfill."""

import dagster as dg

from pipelines.extract.discovery import resolved_settings
from pipelines.workspace import Workspace

OWNERS = ["team:security"]
# Runs of one integration, whoever started them, carry it; those that a person starts from the asset
# graph are of a job of Dagster's own.
PARTITION_TAG = "dagster/partition"
INTEGRATIONS = dg.DynamicPartitionsDefinition(name="integrations")


def partition_requests(
    instance: dg.DagsterInstance, workspace: Workspace
) -> list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest]:
    """What makes the partitions those of the settings file as it is now.

    Raises:
        SettingsError: the file says something wrong.
    """
    wanted = [each.name for each in resolved_settings(workspace).integration]
    present = instance.get_dynamic_partitions(_name())
    missing = [name for name in wanted if name not in present]
    gone = [name for name in present if name not in wanted]
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if missing:
        requests.append(INTEGRATIONS.build_add_request(missing))
    if gone:
        requests.append(INTEGRATIONS.build_delete_request(gone))
    return requests


def add_partition(instance: dg.DagsterInstance, integration: str) -> None:
    """Let runs of the integration start now."""
    instance.add_dynamic_partitions(_name(), [integration])


def _name() -> str:
    return INTEGRATIONS.name or ""
