"""First and last sight of assets; the first survives an absence."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from pipelines.contract import ASSET_TABLES
from pipelines.database import in_memory
from pipelines.load.parquet import parquet
from pipelines.schema import ARROW_TYPES, Table

_SIGHT = (pa.field("asset_id", pa.string()), pa.field("first_seen_at", ARROW_TYPES["TIMESTAMPTZ"]))
SIGHTS = pa.schema(list(_SIGHT))
REMOVED = pa.schema([pa.field("asset_type", pa.string()), *_SIGHT])


def removed_before(changes: Sequence[Path]) -> pa.Table:
    """The assets that were ever removed, and their first sights, from files of `changes`."""
    if not changes:
        return REMOVED.empty_table()
    types = ", ".join(f"'{table.name}'" for table in ASSET_TABLES)
    query = f"""
SELECT asset_type, asset_id, min(old_value::JSON ->> 'first_seen_at')::TIMESTAMPTZ AS first_seen_at
FROM {parquet(changes)}
WHERE change = 'removed' AND asset_type IN ({types})
GROUP BY ALL
"""
    with in_memory() as connection:
        rows: pa.Table = connection.sql(query).to_arrow_table()
    return rows.cast(REMOVED)


def with_sight(
    table: Table, rows: pa.Table, earlier: Sequence[pa.Table], removed: pa.Table, now: datetime
) -> pa.Table:
    """The rows of an asset table with their first and last sight.

    Args:
        table: which.
        rows: its rows as the transform gave them.
        earlier: its published rows in earlier snapshots.
        removed: see `removed_before`.
        now: start of the pull that found the rows.
    """
    key = table.key[0]
    sights = [
        each.select([key, "first_seen_at"]).rename_columns(["asset_id", "first_seen_at"])
        for each in earlier
    ]
    query = f"""
WITH first AS (
    SELECT asset_id, min(first_seen_at) AS first_seen_at
    FROM (
        FROM sights
        UNION ALL BY NAME
        SELECT asset_id, first_seen_at FROM removed WHERE asset_type = '{table.name}'
    )
    GROUP BY asset_id
)
SELECT rows.*, coalesce(first_seen_at, $now::TIMESTAMPTZ) AS first_seen_at,
    $now::TIMESTAMPTZ AS last_seen_at
FROM rows LEFT JOIN first ON first.asset_id = rows.{key}
ORDER BY {key}
"""
    with in_memory() as connection:
        connection.register("rows", rows)
        connection.register("sights", pa.concat_tables([SIGHTS.empty_table(), *sights]))
        connection.register("removed", removed)
        relation = connection.sql(query, params={"now": now.isoformat()})
        result: pa.Table = relation.to_arrow_table()
    return result.cast(table.published_schema)
