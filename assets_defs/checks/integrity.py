"""The checks of the contract's tables that run before the publication."""

from collections.abc import Iterator, Mapping, Sequence

import dagster as dg
import duckdb
import pyarrow as pa

from assets_defs.asset_keys import table_key
from pipelines.schema.model import Table
from pipelines.transform.integrity import (
    count_dangling_references,
    count_repeated_keys,
    count_unresolved,
)

UNIQUE_KEY = "unique_key"
RELATIONS_RESOLVE = "relations_resolve"
REMOVALS_WITHIN_LIMIT = "removals_within_limit"
IDS_RESOLVE = "ids_resolve"


def check_specs(table: Table) -> Sequence[dg.AssetCheckSpec]:
    """Return the checks of a table; all but `ids_resolve` stop the publication."""
    descriptions = {UNIQUE_KEY: "No two rows have the same key"}
    if table.is_asset:
        descriptions[RELATIONS_RESOLVE] = "Every relationship to this table finds its row"
        descriptions[REMOVALS_WITHIN_LIMIT] = (
            "The number of assets removed since the last snapshot is within the limit"
        )
    if _has_resolved(table):
        descriptions[IDS_RESOLVE] = "Every id that the graph names is in the bulk list"
    key = table_key(table.name)
    return [
        dg.AssetCheckSpec(name, asset=key, blocking=name != IDS_RESOLVE, description=description)
        for name, description in descriptions.items()
    ]


def integrity_results(
    table: Table,
    rows: pa.Table,
    frames: Mapping[str, pa.Table],
    outer: duckdb.DuckDBPyConnection,
) -> Iterator[dg.AssetCheckResult]:
    """Check that keys are unique and that references find their rows."""
    key = table_key(table.name)
    repeated = count_repeated_keys(table, rows, outer)
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


def stops_publication(result: dg.AssetCheckResult) -> bool:
    """Return True if the result of a check forbids the publication."""
    return not result.passed and result.severity is dg.AssetCheckSeverity.ERROR


def _has_resolved(table: Table) -> bool:
    return "resolved" in table.arrow_schema.names
