"""First-seen and last-seen times of assets. An asset that was absent keeps its first-seen time."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.schema.model import Column, Table
from pipelines.schema.tables import ASSET_TABLES, INTEGRATION
from pipelines.sql import in_memory, parquet

# Not part of the data contract: it keeps first-seen times through an absence of any length.
ABSENT = Table(
    "absent_assets",
    "Assets that an earlier pull found and this one did not",
    key=("asset_type", "asset_id"),
    columns=(
        INTEGRATION,
        Column("asset_type", "TEXT", "Table that the asset belonged to"),
        Column("asset_id", "TEXT", "Its key there"),
        Column("first_seen_at", "TIMESTAMPTZ", "Start of the first pull that found it"),
    ),
)

_PRESENT = """
SELECT rows.*, coalesce(first_seen_at, $now::TIMESTAMPTZ) AS first_seen_at,
    $now::TIMESTAMPTZ AS last_seen_at
FROM rows LEFT JOIN known ON known.asset_id = rows.{key}
ORDER BY {key}
"""
_ABSENT_NOW = """
SELECT '{table}' AS asset_type, * FROM known
WHERE asset_id NOT IN (SELECT {key} FROM rows) ORDER BY asset_id
"""


def read_removed_assets(changes: Sequence[Path]) -> pa.Table:
    """Read the assets that were ever removed from files of `changes`.

    Returns:
        Rows of `ABSENT`, without the integration.
    """
    types = ", ".join(f"'{table.name}'" for table in ASSET_TABLES)
    query = f"""
SELECT asset_type, asset_id, min(old_value::JSON ->> 'first_seen_at')::TIMESTAMPTZ AS first_seen_at
FROM {parquet(changes)}
WHERE change = 'removed' AND asset_type IN ({types})
GROUP BY ALL
"""
    with in_memory() as connection:
        rows: pa.Table = connection.sql(query).to_arrow_table()
    return rows


def add_first_last_seen(
    table: Table,
    rows: pa.Table,
    earlier: Sequence[pa.Table],
    absent: pa.Table,
    now: datetime,
    outer: duckdb.DuckDBPyConnection,
) -> tuple[pa.Table, pa.Table]:
    """Add `first_seen_at` and `last_seen_at` to the rows of an asset table.

    Args:
        table: the asset table.
        rows: its rows, as the transform returned them.
        earlier: its published rows in earlier snapshots; the earliest first-seen time counts.
        absent: the absent assets of the last snapshot, as rows of `ABSENT`.
        now: start of the pull that found the rows.
        outer: a connection from `in_memory`, to share its memory.

    Returns:
        The rows to publish, and the assets that are absent now, as rows of `ABSENT` without the
        integration.
    """
    known = [f"SELECT asset_id, first_seen_at FROM absent WHERE asset_type = '{table.name}'"]
    with in_memory(outer) as connection:
        connection.register("rows", rows)
        connection.register("absent", absent)
        for number, published in enumerate(earlier):
            connection.register(f"earlier_{number}", published)
            known.append(f"SELECT {table.key[0]}, first_seen_at FROM earlier_{number}")
        connection.execute(
            "CREATE VIEW known AS SELECT asset_id, min(first_seen_at) AS first_seen_at "
            f"FROM ({' UNION ALL '.join(known)}) GROUP BY asset_id"
        )
        names = {"table": table.name, "key": table.key[0]}
        now_text = {"now": now.isoformat()}
        present: pa.Table = connection.sql(
            _PRESENT.format(**names), params=now_text
        ).to_arrow_table()
        absent_now: pa.Table = connection.sql(_ABSENT_NOW.format(**names)).to_arrow_table()
    return present.select(table.published_schema.names).cast(table.published_schema), absent_now
