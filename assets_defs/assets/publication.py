"""The published history and DuckDB file of one pull, and the file over all integrations."""

from collections.abc import Iterator, Mapping

import dagster as dg
import duckdb
import pyarrow as pa

from assets_defs.asset_keys import COMPLETENESS, OWNERS, PUBLISHED, PULLS, AssetKeys
from assets_defs.assets.integration_status import report_status
from assets_defs.assets.specs import (
    FRESHNESS,
    PERSONAL,
    contract_spec,
    with_example,
)
from assets_defs.partitions import build_partitions
from assets_defs.resources import Metadata, ParquetStore, preview
from assets_defs.runs.step import RUN_LOCK, errors_as_failures, select, step
from pipelines.config.integration import Integration
from pipelines.errors import InventoryError
from pipelines.extract.discovery import resolved_settings
from pipelines.extract.pull import remove_checkpoint
from pipelines.history.commit import PulledTables, commit_snapshot
from pipelines.history.manifest import IntegrationFacts, Manifest, PullFacts
from pipelines.history.metadata_tables import integrations_table
from pipelines.history.retention import expire_snapshots
from pipelines.history.store import SnapshotStore
from pipelines.jumpcloud.endpoints import ORGANIZATIONS
from pipelines.publish.notes import describe_shared_organizations
from pipelines.publish.publisher import combine, refresh_file, refresh_report
from pipelines.schema.model import Table
from pipelines.schema.tables import CHANGES, INVENTORY_TABLES, RUN_TABLES, SNAPSHOTS
from pipelines.schema.tables import INTEGRATIONS as INTEGRATIONS_TABLE
from pipelines.severity import SEVERITIES
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace

PULL_TABLES = (PULLS, COMPLETENESS, ORGANIZATIONS.name)
REPORT_CHECK = "report_written"


def _spec(keys: AssetKeys, table: Table) -> dg.AssetSpec:
    pulled = [*(keys.table(one.name) for one in INVENTORY_TABLES), *map(keys.raw, PULL_TABLES)]
    spec = contract_spec(
        keys.table(table.name),
        table,
        group=PUBLISHED,
        deps=pulled if table is SNAPSHOTS else [keys.table(SNAPSHOTS.name)],
    )
    return spec.replace_attributes(freshness_policy=FRESHNESS)


def build_commit(workspace: Workspace) -> dg.AssetsDefinition:
    """Return the tables of a run, which are committed to the history by one step."""
    keys = AssetKeys(workspace.prefix)

    @dg.multi_asset(
        name=keys.name("commit_snapshot"),
        specs=[_spec(keys, table) for table in RUN_TABLES],
        can_subset=True,
        partitions_def=build_partitions(workspace),
        required_resource_keys={RUN_LOCK},
    )
    def commit(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        """Add the tables to the history as one immutable snapshot, with the changes since."""
        yield from _commit_tables(context, workspace, keys)

    return commit


def _commit_tables(
    context: dg.AssetExecutionContext, workspace: Workspace, keys: AssetKeys
) -> Iterator[dg.MaterializeResult[None]]:
    parquet = ParquetStore(workspace.staging.root)
    with step(context, workspace) as integration:
        name = integration.name
        workspace.staging.require("tables", name)
        history = workspace.open_history()
        pulled = _pulled_tables(parquet, keys, integration)
        run_id = context.op_execution_context.run_id
        manifest = commit_pull(workspace, history, integration, pulled, run_id)
        # The history has everything: the next run is a new pull, even if this one fails now.
        remove_checkpoint(workspace.root, name)
        workspace.removal_file(name).remove()
        for table in RUN_TABLES:
            parquet.remove(keys.table(table.name), name)  # version 0.1 left a copy there
        snapshot = (name, manifest.snapshot_id)
        head = history.manifest_sha256(*snapshot)
        for table in (SNAPSHOTS, CHANGES):
            uri, rows = history.part(table.name, *snapshot), history.read(table, *snapshot)
            key = keys.table(table.name)
            result = _committed(key, rows, workspace.uri(uri), head_sha256=head)
            yield from select(context, result)
        manifests = history.manifest_path(*snapshot).parent
        result = _committed(
            keys.table(INTEGRATIONS_TABLE.name),
            integrations_table(history, [manifest]),
            workspace.uri(manifests),
        )
        yield from select(context, result)


def _pulled_tables(
    parquet: ParquetStore, keys: AssetKeys, integration: Integration
) -> PulledTables:
    name = integration.name
    pulled = {table: parquet.read(keys.raw(table), name) for table in PULL_TABLES}
    return PulledTables(
        pull_facts(integration, pulled),
        pulled[COMPLETENESS],
        lambda table: parquet.read(keys.table(table), name),
    )


def commit_pull(
    workspace: Workspace,
    history: SnapshotStore,
    integration: Integration,
    pulled: PulledTables,
    run_id: str,
) -> Manifest:
    """Add a pull to the history under the publication lock, with the settings of the workspace.

    Args:
        workspace: where the inventory is.
        history: its history.
        integration: the integration that was pulled.
        pulled: the tables of the pull.
        run_id: id of the run.
    """
    settings = resolved_settings(workspace)
    with locked(workspace.publication_lock(integration.name)):
        return commit_snapshot(
            history,
            IntegrationFacts.model_validate(integration, from_attributes=True),
            pulled,
            run_id,
            settings.volatile_columns,
            settings.findings,
        )


def _committed(
    key: dg.AssetKey, rows: pa.Table, uri: str, **more: str
) -> dg.MaterializeResult[None]:
    metadata: Metadata = {"dagster/row_count": rows.num_rows, "dagster/uri": uri, **more}
    return dg.MaterializeResult(asset_key=key, metadata={**metadata, "preview": preview(rows)})


def pull_facts(integration: Integration, pulled: Mapping[str, pa.Table]) -> PullFacts:
    """Return the facts of a pull from its tables of `PULL_TABLES`."""
    # As the pull found it: the settings may have another `org_id` by now. Version 0.1 staged none.
    facts = {"organization_id": integration.org_id or None} | pulled[PULLS].to_pylist()[0]
    names = {one["_id"]: one["displayName"] for one in pulled[ORGANIZATIONS.name].to_pylist()}
    name = names.get(facts["organization_id"])
    return PullFacts.model_validate(facts | {"organization_name": name})


def _file_lineage(keys: AssetKeys) -> dg.TableColumnLineage:
    """Return the column of a table of each column of the file, as `table.column`."""
    return dg.TableColumnLineage(
        {
            f"{table.name}.{column.name}": [dg.TableColumnDep(keys.table(table.name), column.name)]
            for table in (*INVENTORY_TABLES, *RUN_TABLES)
            for column in table.columns
        }
    )


def build_file(workspace: Workspace) -> dg.AssetsDefinition:
    """Return the DuckDB file that users query."""
    keys = AssetKeys(workspace.prefix)

    @dg.asset(
        key=keys.inventory_duckdb,
        deps=[keys.table(CHANGES.name), keys.table(INTEGRATIONS_TABLE.name)],
        description=with_example(
            "The one file that users query: every table and view of the data contract",
            "SHOW ALL TABLES;",
        ),
        group_name=PUBLISHED,
        kinds={"duckdb"},
        owners=OWNERS,
        tags=PERSONAL,
        # Not in an event: it would take a tenth of the space of each run.
        metadata={"dagster/column_lineage": _file_lineage(keys)},
        partitions_def=build_partitions(workspace),
        freshness_policy=FRESHNESS,
        code_version="1",
        io_manager_key=keys.io_manager,
        check_specs=[_report_check(keys)],
        required_resource_keys={RUN_LOCK},
    )
    def inventory_duckdb(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """Publish the history as one DuckDB file with its report, and expire old snapshots."""
        yield from _publish_file(context, workspace, keys)

    return inventory_duckdb


def _report_check(keys: AssetKeys) -> dg.AssetCheckSpec:
    return dg.AssetCheckSpec(
        REPORT_CHECK,
        asset=keys.inventory_duckdb,
        description="`report.html` and `inventory.html` are current. If it fails, they show the "
        "previous publication until the next run or `jumpcloud-inventory rebuild`",
    )


def _publish_file(
    context: dg.AssetExecutionContext, workspace: Workspace, keys: AssetKeys
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    with (
        step(context, workspace) as integration,
        locked(workspace.publication_lock(integration.name)),
    ):
        name = integration.name
        if not workspace.open_history().latest(name):
            raise InventoryError(
                f"nothing of {name!r} was pulled yet; materialize all its assets together, or "
                f"use `jumpcloud-inventory run {name}`"
            )
        path = refresh_file(workspace, name)
        keep = resolved_settings(workspace).keep_snapshots
        expire_snapshots(workspace.open_history(), name, keep)
        metadata, check = refresh_report_check(context.log, workspace, name)
        if workspace.url is None:  # otherwise `inventory_of_all` has the file that shows them
            metadata |= _warn_of_shared_organizations(context.log, workspace, name)
    yield dg.MaterializeResult(
        metadata={"dagster/uri": workspace.uri(path), "bytes": path.stat().st_size, **metadata}
    )
    yield check
    context.log_event(
        dg.AssetMaterialization(keys.publication, metadata={"integration": integration.name})
    )
    run_id = context.op_execution_context.run_id
    report_status(context.instance, workspace, context.log_event, run_id)


def build_publication(keys: AssetKeys) -> dg.AssetSpec:
    """Return the asset that assets of others can follow: it has neither partitions nor a step.

    An asset that depends on the file itself waits until every integration has published.
    """
    return dg.AssetSpec(
        key=keys.publication,
        deps=[keys.inventory_duckdb],
        description="Updated whenever an integration has published. It has no partitions, so an "
        "asset of yours that depends on it can run at each publication",
        group_name=PUBLISHED,
        kinds={"duckdb"},
        owners=OWNERS,
        freshness_policy=FRESHNESS,
    ).with_io_manager_key(keys.io_manager)


def refresh_report_check(
    log: dg.DagsterLogManager, workspace: Workspace, integration: str
) -> tuple[Metadata, dg.AssetCheckResult]:
    """Write the report; return its address and numbers, and the check that it was written.

    A failure does not fail the run, because the inventory is published already.
    """
    metadata: Metadata = {}
    failure = ""
    try:
        (own,) = (one for one in refresh_report(workspace, integration) if one.name == integration)
        # A browser follows no link from a server to a file, so the address is there to be copied.
        report = workspace.location(workspace.report_file(integration))
        # The UI plots the numbers over time.
        metadata = {
            "report": dg.MetadataValue.path(report),
            "head_sha256": own.head_sha256,
            **{count.table: count.now for count in own.counts if count.now is not None},
            **{f"findings_{severity}": own.count(severity) for severity in SEVERITIES},
        }
    except (InventoryError, OSError, duckdb.Error) as error:
        log.warning("published, but without a new report: %s", error)
        failure = f"{type(error).__name__}: {error}"
    return metadata, dg.AssetCheckResult(
        check_name=REPORT_CHECK,
        asset_key=AssetKeys(workspace.prefix).inventory_duckdb,
        passed=not failure,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"failure": failure} if failure else {},
    )


def build_combined_file(workspace: Workspace) -> dg.AssetsDefinition:
    """Return the DuckDB file over all integrations of an object store."""
    keys = AssetKeys(workspace.prefix)

    @dg.asset(
        key=keys.inventory_of_all,
        # No dependency: one would make a run of an integration wait for all other partitions.
        description="The DuckDB file over all integrations, and its report",
        group_name=PUBLISHED,
        kinds={"duckdb"},
        owners=OWNERS,
        code_version="1",
        io_manager_key=keys.io_manager,
    )
    def inventory_of_all(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        """Combine what each integration published into one file."""
        with errors_as_failures(workspace):
            workspace.make_root()
            combine(workspace)
            metadata = _warn_of_shared_organizations(context.log, workspace)
        path = workspace.inventory_file()
        return dg.MaterializeResult(
            metadata={
                "dagster/uri": workspace.uri(path),
                "bytes": path.stat().st_size,
                "report": workspace.uri(workspace.report_file()),
                **metadata,
            }
        )

    return inventory_of_all


def _warn_of_shared_organizations(
    log: dg.DagsterLogManager, workspace: Workspace, integration: str = ""
) -> Metadata:
    """Warn of integrations that pull the same organization; return the warning as metadata."""
    lines = list(describe_shared_organizations(workspace, of=integration))
    for line in lines:
        log.warning(line)
    return {"warning": "\n".join(lines)} if lines else {}
