"""The jobs: refresh one integration, and combine the files of all of them."""

import dagster as dg

from assets_defs.asset_keys import INVENTORY_OF_ALL, REFRESHED

REFRESH_JOB = "refresh_inventory"
COMBINE_JOB = "combine_integrations"

# The assets are named: a code location may hold others, which are not ours to materialize.
refresh_inventory = dg.define_asset_job(
    REFRESH_JOB,
    selection=dg.AssetSelection.assets(*REFRESHED),
    description="Pull one organization, join its tables and publish them",
    # The assets form a chain, so a process for each step would only add start-up time.
    executor_def=dg.in_process_executor,
)
combine_integrations = dg.define_asset_job(
    COMBINE_JOB,
    selection=dg.AssetSelection.assets(INVENTORY_OF_ALL),
    executor_def=dg.in_process_executor,
)
