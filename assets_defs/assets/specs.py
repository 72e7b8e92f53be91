"""What the specs of all partitioned tables have in common."""

from collections.abc import Collection

import dagster as dg

from assets_defs.asset_keys import OWNERS, AssetKeys
from pipelines.schema.model import Table


def table_spec(
    key: dg.AssetKey,
    description: str,
    columns: list[dg.TableColumn],
    kinds: set[str],
    *,
    group: str,
    deps: Collection[dg.AssetKey] = (),
) -> dg.AssetSpec:
    """Return the spec of a table that has a partition for each integration."""
    return dg.AssetSpec(
        key=key,
        deps=deps,
        description=description,
        group_name=group,
        kinds=kinds,
        owners=OWNERS,
        metadata={"dagster/column_schema": dg.TableSchema(columns)},
        code_version="1",
    ).with_io_manager_key(AssetKeys(tuple(key.path[:-2])).io_manager)


def contract_columns(table: Table) -> list[dg.TableColumn]:
    """Return the columns of a table of the contract with their meaning, for the UI."""
    return [dg.TableColumn(c.name, c.type, c.description) for c in table.published_columns]
