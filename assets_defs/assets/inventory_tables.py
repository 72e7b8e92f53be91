"""One asset per table of the data contract that a pull gives."""

from collections.abc import Iterator

import dagster as dg
import pyarrow as pa

from assets_defs.asset_keys import COMPLETENESS, INVENTORY, JUMPCLOUD, raw_key, table_key
from assets_defs.checks.integrity import check_specs, integrity_results, is_stopping
from assets_defs.checks.removal_guard import RemovalGuard
from assets_defs.partitions import INTEGRATIONS, OWNERS
from assets_defs.resources import Metadata, ParquetStore, preview
from assets_defs.runs.step import RunLock, step
from pipelines.extract.pull import remove_checkpoint
from pipelines.schema.model import Table
from pipelines.sql import in_memory
from pipelines.transform import TRANSFORMS, Transform
from pipelines.workspace import Workspace


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns with their meaning, as the UI shows them."""
    return dg.TableSchema(
        [dg.TableColumn(c.name, c.type, c.description) for c in table.published_columns]
    )


def _lineage(table: Table) -> dg.TableColumnLineage:
    """Where a column's value is one raw field, which."""
    sources = {c.name: c.source.split(".") for c in table.columns if c.source}
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=raw_key(endpoint), column_name=field)]
            for column, (endpoint, field) in sources.items()
        }
    )


def _input_key(name: str) -> dg.AssetKey:
    schema, _, table = name.rpartition(".")
    return raw_key(table) if schema == JUMPCLOUD else table_key(table)


def _spec(transform: Transform) -> dg.AssetSpec:
    table = transform.table
    return dg.AssetSpec(
        key=table_key(table.name),
        deps=[_input_key(name) for name in transform.inputs],
        description=table.description,
        group_name=INVENTORY,
        kinds={"duckdb", "parquet"},
        owners=OWNERS,
        metadata={"dagster/column_schema": column_schema(table)},
        code_version="1",
        partitions_def=INTEGRATIONS,
    )


def _stored(parquet: ParquetStore, table: Table, integration: str, rows: pa.Table) -> Metadata:
    return {
        **parquet.write(table_key(table.name), integration, rows),
        "preview": preview(rows),
        "dagster/column_lineage": _lineage(table),
    }


class TablesConfig(dg.Config):
    """What a run of the tables may be told.

    Attributes:
        accept_removals: publish although many assets vanished.
    """

    accept_removals: bool = False


@dg.multi_asset(
    name="tables",
    specs=[_spec(transform) for transform in TRANSFORMS.values()],
    check_specs=[spec for each in TRANSFORMS.values() for spec in check_specs(each.table)],
)
def tables(
    context: dg.AssetExecutionContext,
    config: TablesConfig,
    parquet: ParquetStore,
    workspace: dg.ResourceParam[Workspace],
    run_lock: dg.ResourceParam[RunLock],
) -> Iterator[dg.MaterializeResult[None]]:
    """Join the raw tables of one pull into the tables of the data contract."""
    with step(context, workspace, run_lock) as integration, in_memory() as connection:
        workspace.staging.require("pull", integration.name)
        workspace.staging.begin("tables", integration.name)
        is_stopped = False
        guard = RemovalGuard(
            workspace.open_history(),
            integration,
            parquet.read(raw_key(COMPLETENESS), integration.name),
            is_released=config.accept_removals,
        )
        frames: dict[str, pa.Table] = {}
        later = list(TRANSFORMS.values())
        for name, transform in TRANSFORMS.items():
            later.remove(transform)
            for each in transform.inputs:
                if each not in frames:
                    frames[each] = parquet.read(_input_key(each), integration.name)
            rows = frames[name] = transform.run(integration.name, frames, connection)
            # A raw table is large, and no check looks at it.
            needed = {*TRANSFORMS}.union(*(each.inputs for each in later))
            frames = {each: frame for each, frame in frames.items() if each in needed}
            checks = [
                *integrity_results(transform.table, rows, frames, connection),
                *guard.results(transform.table, rows),
            ]
            is_stopped = is_stopped or any(map(is_stopping, checks))
            yield dg.MaterializeResult(
                asset_key=table_key(name),
                metadata=_stored(parquet, transform.table, integration.name, rows),
                check_results=checks,
            )
        if is_stopped:
            # The next run must see what the API says by then, not the lists that were stopped.
            remove_checkpoint(workspace.root, integration.name)
        else:
            workspace.staging.finish("tables", integration.name)
