"""The definitions that Dagster loads; `workspace.yaml` names this module."""

import os

import dagster as dg

from assets_defs.assets.integration_status import STATUS
from assets_defs.assets.inventory_tables import tables
from assets_defs.assets.publication import commit, inventory_duckdb, inventory_of_all
from assets_defs.assets.raw_tables import pull
from assets_defs.checks import findings
from assets_defs.console import TERMINAL, terminal_logger
from assets_defs.io_manager import IO_MANAGER, InventoryIOManager
from assets_defs.jobs import combine_integrations, refresh_inventory
from assets_defs.resources import ParquetStore
from assets_defs.runs.step import run_lock
from assets_defs.schedules import refresh_due
from assets_defs.sensors import build_sensors
from pipelines.workspace import Workspace


def build_definitions(workspace: Workspace) -> dg.Definitions:
    """Return the definitions for a workspace."""
    # Only an object store has a file for each integration, and one of all of them.
    is_shared = workspace.url is not None
    return dg.Definitions(
        assets=[
            *(pull, tables, commit, inventory_duckdb, STATUS),
            *([inventory_of_all] if is_shared else []),
        ],
        asset_checks=[findings],
        jobs=[refresh_inventory, *([combine_integrations] if is_shared else [])],
        sensors=[refresh_due, *build_sensors(workspace)],
        resources=build_resources(workspace),
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, TERMINAL: terminal_logger},
    )


def build_resources(workspace: Workspace) -> dict[str, object]:
    """Return the resources of the assets, checks, sensors and schedules."""
    return {
        "parquet": ParquetStore(root=str(workspace.staging.root)),
        "run_lock": run_lock,
        IO_MANAGER: InventoryIOManager(workspace),
        "workspace": workspace,
    }


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions for the workspace of the environment."""
    return build_definitions(Workspace.from_environment(os.environ))
