"""One partition per integration, so that each has its own status, retry and backfill."""

import dagster as dg

from pipelines.settings import load_settings

SETTINGS = load_settings()
INTEGRATIONS = dg.StaticPartitionsDefinition([each.name for each in SETTINGS.integration])

OWNERS = ["team:security"]
