"""Compute the changes between two snapshots of an integration, row by row and column by column."""

from collections.abc import Collection
from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.history.manifest import PullFacts
from pipelines.schema.graph import USER_BINDINGS, USER_GROUP_BINDINGS, USER_GROUP_MEMBERSHIPS
from pipelines.schema.model import Table
from pipelines.schema.tables import (
    APPLICATION_USERS,
    CHANGES,
    CUSTOM_ATTRIBUTES,
    SYSTEM_GROUP_ASSOCIATIONS,
    SYSTEMS,
    USERS,
)
from pipelines.sql import in_memory

# Optional lists, and types of targets, that may name an asset without a record.
_NAMING = {
    SYSTEMS.name: {USER_BINDINGS, USER_GROUP_BINDINGS},
    USERS.name: {*APPLICATION_USERS.endpoints, "user", USER_BINDINGS, USER_GROUP_MEMBERSHIPS},
}


@dataclass(frozen=True)
class TableState:
    """The published rows of a table in one snapshot, and the pull that found them."""

    pull: PullFacts
    rows: pa.Table


def compute_changes(
    table: Table,
    before: TableState,
    after: TableState,
    snapshot_id: str,
    ignored_columns: Collection[str],
    outer: duckdb.DuckDBPyConnection,
) -> pa.Table:
    """Return the rows of `changes` between two states of a table.

    Only what both pulls asked for is compared. A column that is missing in one of the states, or
    has another meaning there, has not changed: an earlier version wrote that state.

    Args:
        table: the table; its name is the `asset_type` of the rows.
        before: its state in the earlier snapshot.
        after: its state in the later snapshot.
        snapshot_id: id of the later snapshot.
        ignored_columns: columns of the table in which a new value is not a change.
        outer: a connection from `in_memory`, to share its memory.
    """
    pulls = before.pull, after.pull
    old, new = (comparable_rows(table, state.rows, *pulls) for state in (before, after))
    ignored = {*ignored_columns, *incomparable_columns(table, *pulls)} - {*table.full_key}
    known = {*old.column_names} & {*new.column_names}
    compared = [
        c.name
        for c in table.columns
        if c.has_changes and c.name not in ignored and known >= {c.name, c.revised_with or c.name}
    ]
    # True of most tables of most pulls, and takes no time and no memory.
    if old.select(compared).equals(new.select(compared)):
        return CHANGES.arrow_schema.empty_table()
    with in_memory(outer) as connection:
        connection.register("before_rows", old)
        connection.register("after_rows", new)
        parameters = {"snapshot_id": snapshot_id, "observed_at": after.pull.started_at.isoformat()}
        query = _query(table, old.column_names, new.column_names, compared)
        rows: pa.Table = connection.sql(query, params=parameters).to_arrow_table()
        return rows.cast(CHANGES.arrow_schema)


def comparable_rows(table: Table, rows: pa.Table, one: PullFacts, other: PullFacts) -> pa.Table:
    """Return the rows of a table that both pulls would have found, had they existed."""
    if table.name == SYSTEM_GROUP_ASSOCIATIONS.name:
        both = sorted(one.association_targets & other.association_targets)
        return rows.filter(pc.is_in(rows["target_type"], pa.array(both, pa.string())))
    if table is CUSTOM_ATTRIBUTES:
        both = sorted(one.custom_attributes & other.custom_attributes)
        return rows.filter(pc.is_in(rows["name"], pa.array(both, pa.string())))
    if _sources_of_ids(table, one) != _sources_of_ids(table, other):
        return rows.filter(pc.field("resolved"))
    return rows


def incomparable_columns(table: Table, one: PullFacts, other: PullFacts) -> list[str]:
    """Return the columns that depend on an endpoint which only one of the pulls, or none, read."""
    both, differing = one.sources & other.sources, one.sources ^ other.sources
    return [
        column.name
        for column in table.columns
        if not (
            both.issuperset(column.endpoints) and differing.isdisjoint(column.optional_endpoints)
        )
    ]


def _sources_of_ids(table: Table, pull: PullFacts) -> frozenset[str]:
    """Return what the pull read that may name an asset without a record."""
    return (pull.sources | pull.association_targets) & _NAMING.get(table.name, set())


def _query(table: Table, before: list[str], after: list[str], compared: list[str]) -> str:
    same_key = " AND ".join(f"b.{name} = a.{name}" for name in table.key)
    asset_id = " || '/' || ".join(f"coalesce(a.{name}, b.{name})" for name in table.key)
    values = [name for name in compared if name not in table.full_key]
    differ = [f"a.{name} IS DISTINCT FROM b.{name}" for name in values]
    deltas = ", ".join(map(_delta, values)) or _NO_DELTA
    # Includes first_seen_at: an asset that comes back keeps it.
    removed = "to_json(old)"
    if table.is_asset:
        removed = f"json_merge_patch({removed}, json_object('first_seen_at', first_seen_at))"
    first_seen_at = "b.first_seen_at" if table.is_asset else "NULL"
    return f"""
WITH differing AS (
    SELECT coalesce(a.integration, b.integration) AS integration, {asset_id} AS asset_id,
        {_row("b", table, before)} AS old, {_row("a", table, after)} AS new,
        b.{table.key[0]} IS NULL AS is_added, a.{table.key[0]} IS NULL AS is_removed,
        {first_seen_at} AS first_seen_at
    FROM before_rows b FULL JOIN after_rows a ON {same_key}
    WHERE {" OR ".join(["is_added", "is_removed", *differ])}
),
deltas AS (
    SELECT integration, asset_id, '' AS column_name,
        CASE WHEN is_added THEN 'added' ELSE 'removed' END AS change,
        CASE WHEN is_removed THEN {removed} END AS old_value,
        CASE WHEN is_added THEN to_json(new) END AS new_value
    FROM differing WHERE is_added OR is_removed
    UNION ALL BY NAME
    SELECT integration, asset_id, 'changed' AS change, unnest([{deltas}], recursive := true)
    FROM differing WHERE NOT is_added AND NOT is_removed
)
SELECT integration, $snapshot_id AS snapshot_id, '{table.name}' AS asset_type, asset_id,
    column_name, $observed_at::TIMESTAMPTZ AS observed_at, change, old_value, new_value
FROM deltas
WHERE column_name = '' OR old_value IS DISTINCT FROM new_value
ORDER BY ALL
"""


# Gives UNION ALL its columns for a table that has only a key.
_NO_DELTA = "{'column_name': '', 'old_value': NULL::JSON, 'new_value': NULL::JSON}"


def _row(alias: str, table: Table, names: list[str]) -> str:
    """Return a struct of all columns except the integration."""
    values = (
        f"{c.name} := {alias}.{c.name}{'::JSON' if c.type == 'JSON' else ''}"
        for c in table.columns
        if c.name in names and c.name != "integration"
    )
    return f"struct_pack({', '.join(values)})"


def _delta(name: str) -> str:
    """Return a struct of a column's name, its old and its new value."""
    old, new = (
        f"CASE WHEN {v}.{name} IS NOT NULL THEN to_json({v}.{name}) END" for v in ("old", "new")
    )
    return f"{{'column_name': '{name}', 'old_value': {old}, 'new_value': {new}}}"
