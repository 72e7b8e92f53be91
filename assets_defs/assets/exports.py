"""Exports after each publication, as assets that exist if the settings have them."""

import dagster as dg

from assets_defs.asset_keys import OWNERS, AssetKeys
from assets_defs.assets.specs import PERSONAL
from assets_defs.partitions import build_partitions
from assets_defs.runs.step import RUN_LOCK, step
from pipelines.config.exports import CsvExport, Exports, OcsfExport
from pipelines.errors import InventoryError, SettingsError
from pipelines.export.push import PushedFile, push
from pipelines.publish.access import fetch_file
from pipelines.publish.reader import open_bounded
from pipelines.workspace import Workspace

GROUP = "exports"


def build_exports(workspace: Workspace) -> list[dg.AssetsDefinition]:
    """Return the exports of the settings."""
    try:
        exports = workspace.settings().exports
    except SettingsError:
        return []  # each run reports it
    return [_build_export(workspace, name, export) for name, export in exports.items()]


def _build_export(workspace: Workspace, name: str, export: CsvExport) -> dg.AssetsDefinition:
    keys = AssetKeys(workspace.prefix)

    @dg.asset(
        key=keys.table(name),
        deps=[keys.inventory_duckdb],
        description=Exports.model_fields[name].description,
        group_name=GROUP,
        kinds={"parquet" if isinstance(export, OcsfExport) else "csv"},
        owners=OWNERS,
        tags=PERSONAL,
        partitions_def=build_partitions(workspace),
        code_version="1",
        io_manager_key=keys.io_manager,
        required_resource_keys={RUN_LOCK},
    )
    def push_export(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with step(context, workspace) as integration:
            files = _push_published(workspace, name, integration.name)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(file.rows for file in files),
                **{file.name: dg.MetadataValue.path(file.place) for file in files},
            }
        )

    return push_export


def _push_published(workspace: Workspace, name: str, integration: str) -> list[PushedFile]:
    export = workspace.settings().exports.get(name)
    if export is None:
        raise InventoryError(f"{name} is not in the settings anymore. Reload the code location")
    with open_bounded(fetch_file(workspace, integration)) as connection:
        return push(connection, integration, name, export)
