"""The definitions that Dagster loads; `workspace.yaml` names this module."""

import os

import dagster as dg

from assets_defs.asset_keys import AssetKeys
from assets_defs.assets.exports import build_exports
from assets_defs.assets.findings import build_findings
from assets_defs.assets.integration_status import build_status
from assets_defs.assets.inventory_tables import build_tables
from assets_defs.assets.publication import (
    build_combined_file,
    build_commit,
    build_file,
    build_publication,
)
from assets_defs.assets.raw_tables import build_pull
from assets_defs.console import TERMINAL, terminal_logger
from assets_defs.io_manager import InventoryIOManager
from assets_defs.jobs import build_combine_job, build_refresh_job
from assets_defs.runs.instance import warn_of_settings
from assets_defs.runs.step import RUN_LOCK, run_lock
from assets_defs.sensors import build_sensors
from pipelines.config.environment import CONFIG_VARIABLE, HOME_VARIABLE, KEY_VARIABLE
from pipelines.workspace import Workspace

_VARIABLES = frozenset({CONFIG_VARIABLE, HOME_VARIABLE, KEY_VARIABLE})
_ADVICE = (
    f"**Nothing is set up yet.** Set `{HOME_VARIABLE}` to a data directory, and `{KEY_VARIABLE}` "
    f"to a key or `{CONFIG_VARIABLE}` to a settings file. Then reload the definitions."
)


def build_definitions(
    workspace: Workspace, *, is_scheduled: bool = True, advice: str = ""
) -> dg.Definitions:
    """Return the definitions for a workspace; they can be merged with those of others.

    Args:
        workspace: where the inventory is.
        is_scheduled: False to leave the sensor off that starts the runs of the schedules.
        advice: paragraph to put before the description of each asset.
    """
    keys = AssetKeys(workspace.prefix)
    builders = (build_pull, build_tables, build_commit, build_file, build_findings)
    steps = [build(workspace) for build in builders]
    exports = build_exports(workspace)
    jobs = [build_refresh_job(keys, exports)]
    if workspace.url:  # only an object store has a file for each integration, and one of all
        steps.append(build_combined_file(workspace))
        jobs.append(build_combine_job(keys))

    def advise(spec: dg.AssetSpec) -> dg.AssetSpec:
        return spec.replace_attributes(description=f"{advice}\n\n{spec.description}".lstrip())

    return dg.Definitions(
        assets=dg.map_asset_specs(
            advise, [*steps, *exports, build_publication(keys), build_status(keys)]
        ),
        jobs=jobs,
        sensors=build_sensors(workspace, is_scheduled=is_scheduled),
        resources={RUN_LOCK: run_lock, keys.io_manager: InventoryIOManager(workspace)},
    )


def build_code_location(workspace: Workspace) -> dg.Definitions:
    """Return the definitions of a code location that has the inventory alone."""
    return dg.Definitions.merge(build_definitions(workspace), _alone())


def _alone() -> dg.Definitions:
    return dg.Definitions(
        # The assets form a chain, so a process for each step would only add start-up time.
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger, TERMINAL: terminal_logger},
    )


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions for the workspace of the environment.

    Without any variable they load too, and the description of each asset has what to set.
    """
    workspace = Workspace.from_environment(os.environ)
    warn_of_settings(workspace)
    if _VARIABLES.isdisjoint(os.environ):
        idle = build_definitions(workspace, is_scheduled=False, advice=_ADVICE)
        return dg.Definitions.merge(idle, _alone())
    return build_code_location(workspace)
