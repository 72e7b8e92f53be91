"""What the specs of all partitioned tables have in common, and their columns for the UI."""

import re
from collections import defaultdict
from collections.abc import Collection
from datetime import timedelta
from textwrap import indent

import dagster as dg
import pyarrow as pa

from assets_defs.asset_keys import OWNERS, AssetKeys
from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.schema.examples import example_query
from pipelines.schema.graph import SYSTEM_BINDINGS, USER_BINDINGS
from pipelines.schema.model import Table
from pipelines.schema.tables import TABLES, personal_columns

# The tag of columns with personal data, and of the assets that have one.
PERSONAL = {"personal_data": ""}
# One and two intervals of the default schedule, and time for the run itself. Dagster judges an
# asset, not its partitions: the sensor `alert_on_late` finds the integration that is late.
FRESHNESS = dg.FreshnessPolicy.time_window(
    warn_window=timedelta(hours=13), fail_window=timedelta(hours=25)
)


def table_spec(
    key: dg.AssetKey,
    description: str,
    schema: dg.TableSchema,
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
        tags=PERSONAL if any(column.tags for column in schema.columns) else {},
        metadata={"dagster/column_schema": schema},
        code_version="1",
    ).with_io_manager_key(AssetKeys(tuple(key.path[:-2])).io_manager)


def contract_spec(
    key: dg.AssetKey, table: Table, *, group: str, deps: Collection[dg.AssetKey]
) -> dg.AssetSpec:
    """Return the spec of a table of the contract, with an example of a query."""
    description = with_example(table.description, f"{example_query(table)};")
    constraints = dg.TableConstraints([f"key: {', '.join(table.full_key)}"])
    schema = dg.TableSchema(contract_columns(table), constraints)
    spec = table_spec(key, description, schema, {"duckdb", "parquet"}, group=group, deps=deps)
    # Without the name of the database: it is that of the file.
    return spec.merge_attributes(metadata={"dagster/table_name": f"{table.schema}.{table.name}"})


def with_example(description: str, query: str) -> str:
    """Return a description with an example of a query, in Markdown."""
    # Indented, because the list of assets shows Markdown as one line of plain text.
    return f"{description}. For example:\n\n{indent(query, '    ')}"


def contract_columns(table: Table) -> list[dg.TableColumn]:
    """Return the columns of a table of the contract with their meaning, for the UI."""
    personal = personal_columns(table)
    return [
        dg.TableColumn(
            column.name,
            column.type,
            column.description,
            dg.TableColumnConstraints(
                nullable=column.name not in table.full_key,
                unique=table.full_key == (column.name,),
                other=[
                    f"refers to {other}"
                    for name, other in table.references.items()
                    if name == column.name
                ],
            ),
            PERSONAL if column.name in personal else {},
        )
        for column in table.published_columns
    ]


def raw_columns(name: str, schema: pa.Schema) -> list[dg.TableColumn]:
    """Return the columns of a raw table, explained by the columns of the contract that copy them.

    A field is personal data if a copy is. A nested one without a copy is, if a table that is made
    from the list has other personal data.
    """
    # A pull reads one of these two lists, and both make the same table.
    listed = USER_BINDINGS if name == SYSTEM_BINDINGS else name
    copies: defaultdict[str, list[str]] = defaultdict(list)
    personal: set[str] = set()
    has_other_personal_data = False
    for table in TABLES.values():
        # A table that is no list of the API has the columns of the contract.
        own = f"{name}." if table.name == name and name not in ENDPOINTS else ""
        for column in table.columns:
            source, _, field = (column.source or f"{own}{column.name}").rpartition(".")
            is_personal = column.name in personal_columns(table)
            if source == name:
                copies[field].append(f"`{table.name}.{column.name}`: {column.description}")
                personal |= {field} if is_personal else set()
            elif is_personal and listed in table.endpoints:
                has_other_personal_data = True
    if has_other_personal_data:
        nested = {field.name for field in schema if pa.types.is_nested(field.type)}
        personal |= nested - copies.keys()
    return [
        dg.TableColumn(
            field.name,
            # The fields of a struct would leave no room for the description.
            re.sub(r"struct<.*>", "struct", str(field.type)),
            "; ".join(copies[field.name]),
            tags=PERSONAL if field.name in personal else {},
        )
        for field in schema
    ]
