"""The jobs: refresh one integration, and combine the files of all of them."""

from collections.abc import Iterable

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from assets_defs.asset_keys import AssetKeys

REFRESH_JOB = "refresh_inventory"
COMBINE_JOB = "combine_integrations"


def build_refresh_job(
    keys: AssetKeys, exports: Iterable[dg.AssetsDefinition] = ()
) -> UnresolvedAssetJobDefinition:
    """Return the job that pulls one integration, publishes it and then exports it."""
    return dg.define_asset_job(
        keys.name(REFRESH_JOB),
        # The assets are named: a code location may hold others, which are not ours to materialize.
        selection=dg.AssetSelection.assets(*keys.refreshed, *exports),
        description="Pull one organization, join its tables and publish them",
        # The assets form a chain, so a process for each step would only add start-up time.
        executor_def=dg.in_process_executor,
    )


def build_combine_job(keys: AssetKeys) -> UnresolvedAssetJobDefinition:
    """Return the job that updates the file over all integrations in an object store."""
    return dg.define_asset_job(
        keys.name(COMBINE_JOB),
        selection=dg.AssetSelection.assets(keys.inventory_of_all),
        executor_def=dg.in_process_executor,
    )
