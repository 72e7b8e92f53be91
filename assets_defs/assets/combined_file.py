"""The asset of the file over all integrations in an object store."""

import dagster as dg

from assets_defs.asset_keys import COMBINED, INVENTORY_OF_ALL, OWNERS
from assets_defs.runs.step import errors_as_failures
from pipelines.publish.publisher import combine
from pipelines.workspace import Workspace


@dg.asset(
    key=INVENTORY_OF_ALL,
    # No dependency: one would make a run of an integration wait for all other partitions.
    description="The DuckDB file over all integrations, and its report",
    group_name=COMBINED,
    kinds={"duckdb"},
    owners=OWNERS,
    code_version="1",
)
def inventory_of_all(workspace: dg.ResourceParam[Workspace]) -> dg.MaterializeResult[None]:
    """Combine what each integration published into one file."""
    with errors_as_failures(workspace):
        combine(workspace)
    path = workspace.inventory_file()
    return dg.MaterializeResult(
        metadata={
            "dagster/uri": workspace.uri(path),
            "bytes": path.stat().st_size,
            "report": workspace.uri(workspace.report_file()),
        }
    )
