"""From the tables of one pull to the published history and DuckDB file."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import dagster as dg
import duckdb
import pyarrow as pa

from assets_defs.asset_keys import COMPLETENESS, INVENTORY_DUCKDB, PULLS, raw_key, table_key
from assets_defs.assets.inventory_tables import column_schema
from assets_defs.partitions import INTEGRATIONS, OWNERS
from assets_defs.resources import Metadata, ParquetStore, preview
from assets_defs.runs.step import RunLock, step
from pipelines.config.integration import Integration
from pipelines.errors import InventoryError
from pipelines.extract.discovery import resolved_settings
from pipelines.extract.pull import remove_checkpoint
from pipelines.history.commit import PulledTables, commit_snapshot
from pipelines.history.manifest import IntegrationFacts, PullFacts
from pipelines.history.retention import expire_snapshots
from pipelines.jumpcloud.endpoints import ORGANIZATIONS
from pipelines.publish.metadata_tables import integrations_table
from pipelines.publish.publisher import refresh_file, refresh_report
from pipelines.report.model import SEVERITIES, IntegrationReport
from pipelines.schema.model import Table
from pipelines.schema.tables import CHANGES, INVENTORY_TABLES, RUN_TABLES, SNAPSHOTS
from pipelines.schema.tables import INTEGRATIONS as INTEGRATIONS_TABLE
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace

REPORT_CHECK = dg.AssetCheckSpec(
    "report_written",
    asset=INVENTORY_DUCKDB,
    description="`report.html` shows what was published; if not, what was before, until the next "
    "run or `jumpcloud-inventory rebuild`",
)


def refresh_report_check(
    log: dg.DagsterLogManager, workspace: Workspace, integration: str
) -> tuple[Metadata, dg.AssetCheckResult]:
    """Write the report; what the published asset shows of it, and whether that went well.

    Where it cannot be written, the inventory is published already, and stays so.
    """
    try:
        facts = refresh_report(workspace, integration)
    except (InventoryError, OSError, duckdb.Error) as error:
        log.warning("published, but without a new report: %s", error)
        return {}, _check(f"{type(error).__name__}: {error}")
    (own,) = (each for each in facts if each.name == integration)
    location = workspace.location(workspace.report_file(integration))
    return _shown(own, location), _check("")


def _check(failure: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=REPORT_CHECK.name,
        asset_key=INVENTORY_DUCKDB,
        passed=not failure,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"failure": failure} if failure else {},
    )


def _shown(facts: IntegrationReport, report: str) -> Metadata:
    """Numbers, which the UI plots over time, and where the report is.

    A browser follows no link from a page of a server to a file: the address is there to be copied.
    """
    counts = {each.table: each.now for each in facts.counts if each.now is not None}
    findings = {f"findings_{each}": facts.count(each) for each in SEVERITIES}
    return {"report": dg.MetadataValue.path(report), **counts, **findings}


GROUP = "publication"
PULL_TABLES = (PULLS, COMPLETENESS, ORGANIZATIONS.name)
# One and two intervals of the usual schedule, and time for the run itself. Dagster judges an asset,
# not its partitions: which integration is late is told by the sensor for late ones.
FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=13), fail_window=timedelta(hours=25)
)


def _spec(table: Table) -> dg.AssetSpec:
    pulled = [table_key(each.name) for each in INVENTORY_TABLES] + list(map(raw_key, PULL_TABLES))
    return dg.AssetSpec(
        key=table_key(table.name),
        deps=pulled if table is SNAPSHOTS else [table_key(SNAPSHOTS.name)],
        description=table.description,
        group_name=GROUP,
        kinds={"parquet"},
        owners=OWNERS,
        metadata={"dagster/column_schema": column_schema(table)},
        code_version="1",
        partitions_def=INTEGRATIONS,
        freshness_policy=FRESHNESS,
    )


@dg.multi_asset(name="commit_snapshot", specs=[_spec(table) for table in RUN_TABLES])
def commit(
    context: dg.AssetExecutionContext,
    parquet: ParquetStore,
    workspace: dg.ResourceParam[Workspace],
    run_lock: dg.ResourceParam[RunLock],
) -> Iterator[dg.MaterializeResult[None]]:
    """Add the tables to the history as one immutable snapshot, with what changed since the last."""
    with step(context, workspace, run_lock) as integration:
        name = integration.name
        workspace.staging.require("tables", name)
        pulled = {table: parquet.read(raw_key(table), name) for table in PULL_TABLES}
        settings = resolved_settings(workspace)
        history = workspace.open_history()
        with locked(workspace.publication_lock(name)):
            manifest = commit_snapshot(
                history,
                IntegrationFacts.model_validate(integration, from_attributes=True),
                PulledTables(
                    _pull_facts(integration, pulled),
                    pulled[COMPLETENESS],
                    lambda table: parquet.read(table_key(table), name),
                ),
                context.op_execution_context.run_id,
                settings.volatile_columns,
                settings.findings,
            )
        # The history has all of it now: the next run is a new pull, however this one ends.
        remove_checkpoint(workspace.root, name)
        at = (name, manifest.snapshot_id)
        for table in (SNAPSHOTS, CHANGES):
            part = history.part(table.name, *at)
            yield _committed(table, history.read(table, *at), workspace.uri(part))
        manifests = history.manifest_path(*at).parent
        yield _committed(
            INTEGRATIONS_TABLE, integrations_table([manifest]), workspace.uri(manifests)
        )


def _committed(table: Table, rows: pa.Table, uri: str) -> dg.MaterializeResult[None]:
    metadata: Metadata = {"dagster/row_count": rows.num_rows, "dagster/uri": uri}
    return dg.MaterializeResult(
        asset_key=table_key(table.name), metadata={**metadata, "preview": preview(rows)}
    )


@dg.asset(
    key=INVENTORY_DUCKDB,
    deps=[table_key(CHANGES.name), table_key(INTEGRATIONS_TABLE.name)],
    description="The one file that users query: every table and view of the data contract",
    group_name=GROUP,
    kinds={"duckdb"},
    owners=OWNERS,
    partitions_def=INTEGRATIONS,
    freshness_policy=FRESHNESS,
    code_version="1",
    check_specs=[REPORT_CHECK],
)
def inventory_duckdb(
    context: dg.AssetExecutionContext,
    workspace: dg.ResourceParam[Workspace],
    run_lock: dg.ResourceParam[RunLock],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Publish the history as one DuckDB file with its report, and expire old snapshots."""
    with (
        step(context, workspace, run_lock) as integration,
        locked(workspace.publication_lock(integration.name)),
    ):
        name = integration.name
        path = refresh_file(workspace, name)
        expire_snapshots(
            workspace.open_history(), name, resolved_settings(workspace).keep_snapshots
        )
        shown, check = refresh_report_check(context.log, workspace, name)
    yield dg.MaterializeResult(
        metadata={"dagster/uri": workspace.uri(path), "bytes": path.stat().st_size, **shown}
    )
    yield check


def _pull_facts(integration: Integration, pulled: Mapping[str, pa.Table]) -> PullFacts:
    organizations = pulled[ORGANIZATIONS.name].to_pylist()
    ours = [each for each in organizations if integration.org_id in {"", each["_id"]}]
    organization = ours[0] if ours else {"_id": None, "displayName": None}
    return PullFacts.model_validate(
        pulled[PULLS].to_pylist()[0]
        | {
            "organization_id": organization["_id"],
            "organization_name": organization["displayName"],
        }
    )
