"""One asset per table of the data contract that is made from a pull."""

from collections.abc import Callable, Iterator, Mapping

import dagster as dg
import duckdb
import pyarrow as pa

from assets_defs.asset_keys import COMPLETENESS, INVENTORY, JUMPCLOUD, AssetKeys
from assets_defs.assets.specs import contract_spec
from assets_defs.checks import (
    RemovalGuard,
    check_specs,
    integrity_results,
    stops_publication,
)
from assets_defs.partitions import build_partitions
from assets_defs.resources import ParquetStore, preview
from assets_defs.runs.step import RUN_LOCK, select, step
from pipelines.errors import InventoryError
from pipelines.extract.pull import remove_checkpoint
from pipelines.schema.model import Table
from pipelines.schema.tables import INTEGRATION
from pipelines.sql import in_memory, release_memory
from pipelines.transform import TRANSFORMS, Transform
from pipelines.workspace import Workspace


def _lineage(keys: AssetKeys, table: Table) -> dg.TableColumnLineage:
    """Return the raw field of each column that copies one."""
    sources = {c.name: c.source.split(".") for c in table.columns if c.source}
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key=keys.raw(endpoint), column_name=field)]
            for column, (endpoint, field) in sources.items()
        }
    )


def _input_key(keys: AssetKeys, name: str) -> dg.AssetKey:
    schema, _, table = name.rpartition(".")
    return keys.raw(table) if schema == JUMPCLOUD else keys.table(table)


def _spec(keys: AssetKeys, transform: Transform) -> dg.AssetSpec:
    table = transform.table
    return contract_spec(
        keys.table(table.name),
        table,
        group=INVENTORY,
        deps=[_input_key(keys, name) for name in transform.inputs],
    )


class TablesConfig(dg.Config):
    """Configuration of the tables in one run.

    Attributes:
        accept_removals: True to publish although many assets vanished; without effect in a run
            that repeats another one, which has its configuration but other removals.
    """

    accept_removals: bool = False


def build_tables(workspace: Workspace) -> dg.AssetsDefinition:
    """Return the tables of the data contract, made by one step."""
    keys = AssetKeys(workspace.prefix)

    @dg.multi_asset(
        name=keys.name("tables"),
        specs=[_spec(keys, transform) for transform in TRANSFORMS.values()],
        check_specs=[spec for one in TRANSFORMS.values() for spec in check_specs(keys, one.table)],
        can_subset=True,
        partitions_def=build_partitions(workspace),
        required_resource_keys={RUN_LOCK},
    )
    def tables(
        context: dg.AssetExecutionContext, config: TablesConfig
    ) -> Iterator[dg.MaterializeResult[None]]:
        """Join the raw tables of one pull into the tables of the data contract."""
        accepts = config.accept_removals and context.run.parent_run_id is None
        yield from _join_tables(context, workspace, keys, accept_removals=accepts)

    return tables


def _join_tables(
    context: dg.AssetExecutionContext,
    workspace: Workspace,
    keys: AssetKeys,
    *,
    accept_removals: bool,
) -> Iterator[dg.MaterializeResult[None]]:
    parquet = ParquetStore(workspace.staging.root)
    with step(context, workspace) as integration, in_memory() as connection:
        name = integration.name
        workspace.staging.require("pull", name)
        workspace.staging.begin("tables", name)
        failures: list[str] = []
        completeness = parquet.read(keys.raw(COMPLETENESS), name)
        guard = RemovalGuard(workspace, integration, completeness, accept_removals=accept_removals)
        for table, rows, frames in transform_tables(
            name, lambda source: parquet.read(_input_key(keys, source), name), connection
        ):
            checks = [
                *integrity_results(keys, name, table, rows, frames, connection),
                *guard.results(table, rows),
            ]
            failures += [str(one.description) for one in checks if stops_publication(one)]
            result = dg.MaterializeResult[None](
                asset_key=keys.table(table.name),
                metadata={
                    **parquet.write(keys.table(table.name), name, rows),
                    "preview": preview(rows),
                    "dagster/column_lineage": _lineage(keys, table),
                },
                check_results=checks,
            )
            yield from select(context, result)
            del rows  # before the next table is made
        if failures:  # with more than the names of the checks, as Dagster's own failure has
            # The next run must read the API again, not continue from the stopped lists.
            remove_checkpoint(workspace.root, name)
            own = [failure.removeprefix(f"{name}: ") for failure in failures]
            raise InventoryError(f"{'; '.join(own)}. {guard.record_stop()}".rstrip())
        workspace.staging.finish("tables", name)


def transform_tables(
    integration: str, read: Callable[[str], pa.Table], connection: duckdb.DuckDBPyConnection
) -> Iterator[tuple[Table, pa.Table, Mapping[str, pa.Table]]]:
    """Yield each table of the contract with its rows, and the tables in memory by name.

    The tables in memory are those that a later transform or check reads, without unread columns.

    Args:
        integration: name of the integration.
        read: returns a raw table by its name, such as `jumpcloud.systems`.
        connection: a connection from `in_memory`.
    """
    frames: dict[str, pa.Table] = {}
    remaining = list(TRANSFORMS.values())
    for name, transform in TRANSFORMS.items():
        remaining.remove(transform)
        for source in transform.inputs:
            if source not in frames:
                frames[source] = read(source)
        rows = transform.run(integration, frames, connection)
        # A raw table is large, and no check needs it.
        needed = {*TRANSFORMS}.union(*(later.inputs for later in remaining))
        for source in frames.keys() - needed:
            del frames[source]
        frames[name] = _reduced(transform.table, rows)
        # Arrow and DuckDB have allocators of their own, and keep what they free.
        pa.default_memory_pool().release_unused()
        release_memory(connection)
        yield transform.table, rows, frames
        del rows


def _reduced(table: Table, rows: pa.Table) -> pa.Table:
    """Return the rows of a table as later transforms and checks read them.

    Lists and the name of the integration take most of the memory, and none of them is read. An id
    occurs many times in the rows of relationships, and only once in a dictionary.
    """
    unread = [f.name for f in rows.schema if pa.types.is_list(f.type) or f.name == INTEGRATION.name]
    rows = rows.drop_columns(unread)
    if not table.is_asset:
        columns = [
            column.dictionary_encode() if pa.types.is_string(column.type) else column
            for column in rows.columns
        ]
        rows = pa.table(columns, rows.column_names)
    return _copied(rows)


def _copied(rows: pa.Table) -> pa.Table:
    """Return rows in memory of their own: any column from DuckDB keeps all others in memory."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return pa.ipc.open_stream(sink.getvalue()).read_all()
