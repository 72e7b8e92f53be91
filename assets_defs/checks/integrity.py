"""The checks of the contract's tables, before anything of them is published."""

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
REMOVALS_WITHIN_LIMIT = "not_mostly_gone"
IDS_RESOLVE = "ids_resolve"


def check_specs(table: Table) -> Sequence[dg.AssetCheckSpec]:
    """The checks of a table; all but `ids_resolve` stop the publication."""
    blocking = {UNIQUE_KEY: "No two rows have the same key"}
    if table.is_asset:
        blocking[RELATIONS_RESOLVE] = "Every relationship to this table finds its row"
        blocking[REMOVALS_WITHIN_LIMIT] = (
            "Not so many vanished since the last snapshot that a lost permission is likelier"
        )
    key = table_key(table.name)
    specs = [
        dg.AssetCheckSpec(name, asset=key, blocking=True, description=words)
        for name, words in blocking.items()
    ]
    if _has_resolved(table):
        words = "Every id that the graph names is in the bulk list"
        specs.append(dg.AssetCheckSpec(IDS_RESOLVE, asset=key, description=words))
    return specs


def integrity_results(
    table: Table,
    rows: pa.Table,
    frames: Mapping[str, pa.Table],
    outer: duckdb.DuckDBPyConnection,
) -> Iterator[dg.AssetCheckResult]:
    """Whether the keys are unique and the references find their rows."""
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


def is_stopping(result: dg.AssetCheckResult) -> bool:
    """Whether a check of these says that nothing may be published."""
    return not result.passed and result.severity is dg.AssetCheckSeverity.ERROR


def _has_resolved(table: Table) -> bool:
    return "resolved" in table.arrow_schema.names
