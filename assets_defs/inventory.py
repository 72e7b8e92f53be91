"""One asset per table of the data contract that a pull gives."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import pyarrow as pa

from assets_defs.endpoints import PREFIX as RAW_PREFIX
from assets_defs.endpoints import raw_key
from assets_defs.partitions import INTEGRATIONS, OWNERS
from assets_defs.resources import Metadata, ParquetStore, preview
from pipelines.schema import Table
from pipelines.transform import TRANSFORMS, Transform
from pipelines.transform.integrity import (
    count_dangling_references,
    count_repeated_keys,
    count_unresolved,
)

PREFIX = "inventory"
UNIQUE_KEY = "unique_key"
RELATIONS_RESOLVE = "relations_resolve"
IDS_RESOLVE = "ids_resolve"


def table_key(name: str) -> dg.AssetKey:
    """The asset key of a table of the contract."""
    return dg.AssetKey([PREFIX, name])


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
    return raw_key(table) if schema == RAW_PREFIX else table_key(table)


def _check_specs(table: Table) -> Sequence[dg.AssetCheckSpec]:
    key = table_key(table.name)
    specs = [
        dg.AssetCheckSpec(
            UNIQUE_KEY, asset=key, blocking=True, description="No two rows have the same key"
        )
    ]
    if table.is_asset:
        words = "Every relationship to this table finds its row"
        specs.append(
            dg.AssetCheckSpec(RELATIONS_RESOLVE, asset=key, blocking=True, description=words)
        )
    if _has_resolved(table):
        words = "Every id that the graph names is in the bulk list"
        specs.append(dg.AssetCheckSpec(IDS_RESOLVE, asset=key, description=words))
    return specs


def _has_resolved(table: Table) -> bool:
    return "resolved" in table.arrow_schema.names


def _spec(transform: Transform) -> dg.AssetSpec:
    table = transform.table
    return dg.AssetSpec(
        key=table_key(table.name),
        deps=[_input_key(name) for name in transform.inputs],
        description=table.description,
        group_name=PREFIX,
        kinds={"duckdb", "parquet"},
        owners=OWNERS,
        metadata={"dagster/column_schema": column_schema(table)},
        code_version="1",
        partitions_def=INTEGRATIONS,
    )


@dg.multi_asset(
    name="tables",
    specs=[_spec(transform) for transform in TRANSFORMS.values()],
    check_specs=[spec for each in TRANSFORMS.values() for spec in _check_specs(each.table)],
)
def tables(
    context: dg.AssetExecutionContext, parquet: ParquetStore
) -> Iterator[dg.MaterializeResult[None]]:
    """Join the raw tables of one pull into the tables of the data contract."""
    integration = context.partition_key
    frames = {
        name: parquet.read(_input_key(name), integration)
        for name in {name for each in TRANSFORMS.values() for name in each.inputs}
        if name not in TRANSFORMS
    }
    for name, transform in TRANSFORMS.items():
        rows = frames[name] = transform.run(integration, frames)
        key = table_key(name)
        more: Metadata = {
            "preview": preview(rows),
            "dagster/column_lineage": _lineage(transform.table),
        }
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={**parquet.write(key, integration, rows), **more},
            check_results=list(_check_results(transform.table, rows, frames)),
        )


def _check_results(
    table: Table, rows: pa.Table, frames: Mapping[str, pa.Table]
) -> Iterator[dg.AssetCheckResult]:
    key = table_key(table.name)
    repeated = count_repeated_keys(table, rows)
    yield dg.AssetCheckResult(
        check_name=UNIQUE_KEY,
        asset_key=key,
        passed=repeated == 0,
        metadata={"repeated_keys": repeated},
    )
    if table.is_asset:
        dangling = count_dangling_references(table, rows, frames)
        yield dg.AssetCheckResult(
            check_name=RELATIONS_RESOLVE,
            asset_key=key,
            passed=not any(dangling.values()),
            metadata=dangling,
        )
    if _has_resolved(table):
        unresolved = count_unresolved(rows)
        yield dg.AssetCheckResult(
            check_name=IDS_RESOLVE,
            asset_key=key,
            passed=unresolved == 0,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"unresolved": unresolved},
        )
