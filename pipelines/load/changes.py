"""What changed between two snapshots of an integration, row by row and column by column."""

import duckdb
import pyarrow as pa

from pipelines.contract import CHANGES
from pipelines.schema import Column, Table

# They move at every pull: a row for each would bury the changes that mean something.
VOLATILE_COLUMNS = frozenset({"last_contact_at"})


def changes_of(
    table: Table, before: pa.Table, after: pa.Table, snapshot_id: str, observed_at: str
) -> pa.Table:
    """The rows of `changes` that lead from one state of a table to the next.

    Args:
        table: which table; it is the rows' `asset_type`.
        before: its published rows in the snapshot before.
        after: its published rows in this snapshot.
        snapshot_id: this snapshot.
        observed_at: start of its pull, ISO 8601 with zone.
    """
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("before_rows", before)
        connection.register("after_rows", after)
        parameters = {"snapshot_id": snapshot_id, "observed_at": observed_at}
        rows: pa.Table = connection.sql(_query(table), params=parameters).to_arrow_table()
        return rows.cast(CHANGES.arrow_schema)


def _query(table: Table) -> str:
    columns = [c for c in table.columns if c.name not in {"integration", *VOLATILE_COLUMNS}]
    row = ", ".join(f"{column.name} := {_typed(column)}" for column in columns)
    identity = " || '/' || ".join(table.key)
    state = f"SELECT *, {identity} AS asset_id, struct_pack({row}) AS value FROM {{}}"
    # With its first sight, so that an asset that comes back is not taken for a new one.
    removed = "to_json(old)"
    if table.is_asset:
        removed = f"json_merge_patch({removed}, json_object('first_seen_at', first_seen_at))"
    deltas = ", ".join(_delta(column) for column in columns)
    return f"""
WITH before AS ({state.format("before_rows")}), after AS ({state.format("after_rows")}),
differing AS (
    SELECT coalesce(a.integration, b.integration) AS integration,
        coalesce(a.asset_id, b.asset_id) AS asset_id, b.value AS old, a.value AS new,
        b.asset_id IS NULL AS is_added, a.asset_id IS NULL AS is_removed,
        {"b.first_seen_at" if table.is_asset else "NULL"} AS first_seen_at
    FROM before b FULL JOIN after a USING (integration, asset_id)
    WHERE a.value IS DISTINCT FROM b.value
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


def _typed(column: Column) -> str:
    return f"{column.name}::JSON" if column.type == "JSON" else column.name


def _delta(column: Column) -> str:
    name = column.name
    old, new = (
        f"CASE WHEN {v}.{name} IS NOT NULL THEN to_json({v}.{name}) END" for v in ("old", "new")
    )
    return f"{{'column_name': '{name}', 'old_value': {old}, 'new_value': {new}}}"
