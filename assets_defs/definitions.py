"""Everything that Dagster loads: `workspace.yaml` names this module."""

import dagster as dg

from assets_defs import combined
from assets_defs.alerts import alert_on_failure, alert_on_late
from assets_defs.automation import integrations_of_settings, refresh_inventory, schedules_of
from assets_defs.endpoints import pull
from assets_defs.findings import findings
from assets_defs.inventory import tables
from assets_defs.old_runs import forget_old_runs
from assets_defs.publication import commit, inventory_duckdb
from assets_defs.resources import ParquetStore
from assets_defs.status_asset import STATUS, report_status
from assets_defs.terminal import TERMINAL, terminal_logger
from pipelines.config.environment import home, object_store_url
from pipelines.config.settings import load_settings

# Only in an object store is there a file for each integration, and one over all beside them.
_is_shared = object_store_url() is not None

defs = dg.Definitions(
    assets=[
        *(pull, tables, commit, inventory_duckdb, STATUS),
        *([combined.inventory_of_all] if _is_shared else []),
    ],
    asset_checks=[findings],
    jobs=[refresh_inventory, *([combined.combine_integrations] if _is_shared else [])],
    schedules=schedules_of(load_settings()),
    sensors=[
        integrations_of_settings,
        alert_on_failure,
        alert_on_late,
        forget_old_runs,
        report_status,
        *([combined.combine_what_was_published] if _is_shared else []),
    ],
    resources={"parquet": ParquetStore(root=str(home() / "parquet"))},
    executor=dg.in_process_executor,
    loggers={"console": dg.colored_console_logger, TERMINAL: terminal_logger},
)
