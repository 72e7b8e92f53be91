"""What changed between two snapshots of an integration, row by row and column by column."""

from collections.abc import Collection

import pyarrow as pa

from pipelines.schema.model import Column, Table
from pipelines.schema.tables import CHANGES
from pipelines.sql import in_memory


def compute_changes(
    table: Table,
    before: pa.Table,
    after: pa.Table,
    snapshot_id: str,
    observed_at: str,
    left_out: Collection[str] = (),
) -> pa.Table:
    """The rows of `changes` that lead from one state of a table to the next.

    A column that one of the states does not have, because a version before it wrote no such
    column, has not changed.

    Args:
        table: which table; it is the rows' `asset_type`.
        before: its published rows in the snapshot before.
        after: its published rows in this snapshot.
        snapshot_id: this snapshot.
        observed_at: start of its pull, ISO 8601 with zone.
        left_out: columns of the table that are no change when they change.
    """
    known = [[c for c in table.columns if c.name in rows.column_names] for rows in (before, after)]
    untold = {*left_out} - {*table.full_key}
    told = [c.name for c in known[0] if c in known[1] and c.name not in untold]
    # Most tables of most pulls, and this takes no time and no memory.
    if before.select(told).equals(after.select(told)):
        return CHANGES.arrow_schema.empty_table()
    with in_memory() as connection:
        connection.register("before_rows", before)
        connection.register("after_rows", after)
        parameters = {"snapshot_id": snapshot_id, "observed_at": observed_at}
        query = _query(table, known[0], known[1], left_out)
        rows: pa.Table = connection.sql(query, params=parameters).to_arrow_table()
        return rows.cast(CHANGES.arrow_schema)


def _query(
    table: Table, before: list[Column], after: list[Column], left_out: Collection[str]
) -> str:
    same_key = " AND ".join(f"b.{name} = a.{name}" for name in table.key)
    asset_id = " || '/' || ".join(f"coalesce(a.{name}, b.{name})" for name in table.key)
    compared = [c.name for c in after if c in before and c.name not in {*table.full_key, *left_out}]
    differ = [f"a.{name} IS DISTINCT FROM b.{name}" for name in compared]
    deltas = ", ".join(map(_delta, compared)) or _NO_DELTA
    # With its first sight, so that an asset that comes back is not taken for a new one.
    removed = "to_json(old)"
    if table.is_asset:
        removed = f"json_merge_patch({removed}, json_object('first_seen_at', first_seen_at))"
    first_seen_at = "b.first_seen_at" if table.is_asset else "NULL"
    return f"""
WITH differing AS (
    SELECT coalesce(a.integration, b.integration) AS integration, {asset_id} AS asset_id,
        {_row("b", before)} AS old, {_row("a", after)} AS new,
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


# The shape of a change, where a table has no column beside its key.
_NO_DELTA = "{'column_name': '', 'old_value': NULL::JSON, 'new_value': NULL::JSON}"


def _row(alias: str, columns: list[Column]) -> str:
    """The whole row but for the integration, as a struct."""
    values = (
        f"{c.name} := {alias}.{c.name}{'::JSON' if c.type == 'JSON' else ''}"
        for c in columns
        if c.name != "integration"
    )
    return f"struct_pack({', '.join(values)})"


def _delta(name: str) -> str:
    old, new = (
        f"CASE WHEN {v}.{name} IS NOT NULL THEN to_json({v}.{name}) END" for v in ("old", "new")
    )
    return f"{{'column_name': '{name}', 'old_value': {old}, 'new_value': {new}}}"
