"""The asset that shows the status of every integration."""

import dagster as dg

from assets_defs.asset_keys import table_key
from assets_defs.partitions import OWNERS

STATUS = dg.AssetSpec(
    key=table_key("status"),
    description="The applied integrations: their runs, what they published, the next run (UTC)",
    group_name="inventory",
    kinds={"dagster"},
    owners=OWNERS,
)
