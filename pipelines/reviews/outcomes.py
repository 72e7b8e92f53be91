"""Fill the tables `reviews` and `review_items` of a DuckDB file from `reviews/` and `changes`.

An access is a row of a relationship table. It is gone when `changes` has the row as removed, and
back when it is added again. Only pulls that read the list record changes of it.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from pipelines.reviews.population import READS, ROWS, STORED
from pipelines.reviews.store import StoredReview
from pipelines.schema.reviews import REVIEW_ITEMS, REVIEW_TABLES, REVIEWS
from pipelines.sql import parquet, quoted

# The row of an access, the flag that it must have, and the number of devices that it reached.
_FOLLOWED = """
CREATE TEMP VIEW followed AS
SELECT r.integration, r.review_id, r.pulled_at, p.item, t.asset_type, t.endpoint,
    CASE WHEN p.target_type = 'all_systems' THEN 'global_admin'
        WHEN r.reviewed_by = 'sudo' THEN 'sudo' ELSE '' END AS flag,
    CASE p.target_type WHEN 'system' THEN p.user_id || '/' || p.target_id
        WHEN 'all_systems' THEN p.user_id ELSE p.target_id || '/' || p.user_id END AS row_id,
    CASE WHEN p.target_type = 'user_group' THEN p.target_id END AS bound_group, p.device_count
FROM population p JOIN "reviews" r USING (integration, review_id)
JOIN (VALUES {row_tables}) t(target_type, asset_type, endpoint) USING (target_type)
"""
# +1 where a row appears with its flag, -1 where it disappears.
_EVENTS = """
CREATE TEMP TABLE events AS
WITH relevant AS (
    SELECT integration, observed_at, snapshot_id, asset_type, asset_id, column_name, change,
        old_value, new_value
    FROM changes WHERE asset_type IN ({asset_types}) AND (change <> 'changed'
        OR column_name IN ('sudo', 'global_admin'))
        AND observed_at > (SELECT min(pulled_at) FROM "reviews")
),
steps AS (
    SELECT f.*, c.* EXCLUDE (integration, asset_type), TRUE AS is_row
    FROM followed f JOIN relevant c ON c.integration = f.integration
        AND c.asset_type = f.asset_type AND c.asset_id = f.row_id AND c.observed_at > f.pulled_at
    UNION ALL BY NAME
    SELECT f.*, c.* EXCLUDE (integration, asset_type), FALSE AS is_row
    FROM followed f JOIN relevant c ON c.integration = f.integration
        AND c.asset_type = 'user_group_system_bindings'
        AND split_part(c.asset_id, '/', 1) = f.bound_group AND c.observed_at > f.pulled_at
)
SELECT integration, review_id, item, endpoint, snapshot_id, observed_at, any_value(device_count)
    FILTER (bound_group IS NOT NULL) AS device_count,
    coalesce(sum(step) FILTER (is_row), 0) AS row_step,
    coalesce(sum(step) FILTER (NOT is_row), 0) AS binding_step
FROM (
    SELECT *, CASE
        WHEN change = 'added' AND (flag = '' OR {new_flag}) THEN 1
        WHEN change = 'removed' AND (flag = '' OR {old_flag}) THEN -1
        WHEN change = 'changed' AND column_name = flag
            THEN (new_value = 'true')::INTEGER - (old_value = 'true')::INTEGER
        ELSE 0 END AS step
    FROM steps
)
GROUP BY ALL
"""
_ENDED = """
CREATE TEMP TABLE outcomes AS
WITH states AS (
    SELECT *, 1 + sum(row_step) OVER course > 0
        AND coalesce(device_count + sum(binding_step) OVER course > 0, TRUE) AS is_there
    FROM events WINDOW course AS (PARTITION BY integration, review_id, item ORDER BY observed_at)
),
turns AS (
    SELECT *, lag(is_there, 1, TRUE) OVER (
        PARTITION BY integration, review_id, item ORDER BY observed_at
    ) AS was_there FROM states
),
reads AS ({reads}),
dated AS (
    SELECT t.*, r.started_at AS read_before FROM turns t ASOF LEFT JOIN reads r
        ON r.integration = t.integration AND r.endpoint = t.endpoint
        AND t.observed_at > r.started_at
    WHERE is_there <> was_there
)
SELECT integration, review_id, item,
    arg_max(snapshot_id, observed_at) FILTER (NOT is_there) AS removed_snapshot_id,
    arg_max(read_before, observed_at) FILTER (NOT is_there) AS removed_after,
    max(observed_at) FILTER (NOT is_there) AS removed_before,
    arg_max(is_there, observed_at) AS is_back,
    arg_max(snapshot_id, observed_at) FILTER (is_there) AS returned_snapshot_id,
    arg_max(read_before, observed_at) FILTER (is_there) AS returned_after,
    max(observed_at) FILTER (is_there) AS returned_before
FROM dated GROUP BY ALL
"""
# Of several workbooks of a reviewer, the one that was imported last counts, with all its rows.
_ITEMS = """
INSERT INTO "review_items" BY NAME
WITH latest AS (
    FROM decisions QUALIFY decided_at = max(decided_at)
        OVER (PARTITION BY integration, review_id, reviewer_id)
)
SELECT p.integration, p.review_id, {stored}, d.decision, d.reason, d.decided_at,
    o.removed_snapshot_id, o.removed_after, o.removed_before,
    CASE WHEN o.is_back THEN o.returned_snapshot_id END AS returned_snapshot_id,
    CASE WHEN o.is_back THEN o.returned_after END AS returned_after,
    CASE WHEN o.is_back THEN o.returned_before END AS returned_before
FROM population p
LEFT JOIN latest d USING (integration, review_id, reviewer_id, item)
LEFT JOIN outcomes o USING (integration, review_id, item)
"""
# Of the rows of `review_items`, in the order of the columns of `reviews`.
COUNTS = """
count(*) AS items, count(decision) AS decided, count(*) FILTER (decision = 'remove') AS to_remove,
count(*) FILTER (decision = 'remove' AND removed_snapshot_id <> ''
    AND returned_snapshot_id IS NULL) AS removed,
count(*) FILTER (decision = 'remove' AND returned_snapshot_id <> '') AS returned
"""
_UPDATE = f"""
UPDATE "reviews" r SET decided = c.decided, to_remove = c.to_remove, removed = c.removed,
    returned = c.returned
FROM (SELECT integration, review_id, {COUNTS} FROM "review_items" GROUP BY ALL) c
WHERE c.integration = r.integration AND c.review_id = r.review_id
"""


def replace_reviews(connection: duckdb.DuckDBPyConnection, reviews: Sequence[StoredReview]) -> None:
    """Replace the rows of both tables.

    Args:
        connection: to a file that has `changes` and `snapshots`, which is the default database.
        reviews: all reviews of the integrations in the file.

    Raises:
        InventoryError: a population is missing or damaged.
    """
    if connection.execute(f"FROM {REVIEWS.qualified_name} LIMIT 1").fetchall():
        for table in REVIEW_TABLES:
            connection.execute(f"DELETE FROM {table.qualified_name}")
        connection.execute("CHECKPOINT")  # frees their space before the new rows are inserted
    if not reviews:
        return
    connection.register("new_reviews", _review_rows(reviews))
    connection.execute('INSERT INTO "reviews" BY NAME FROM new_reviews')
    connection.unregister("new_reviews")
    _read_files(connection, reviews)
    row_tables = ", ".join(
        f"('{kind}', '{table}', '{endpoint}')" for kind, (table, endpoint) in ROWS.items()
    )
    asset_types = [*(table for table, _ in ROWS.values()), "user_group_system_bindings"]
    connection.execute(_FOLLOWED.format(row_tables=row_tables))
    connection.execute(
        _EVENTS.format(
            asset_types=", ".join(map(quoted, asset_types)),
            new_flag=_flag_reference("new_value"),
            old_flag=_flag_reference("old_value"),
        )
    )
    connection.execute(_ENDED.format(reads=READS))
    connection.execute(_ITEMS.format(stored=", ".join(f"p.{name}" for name in STORED)))
    connection.execute(_UPDATE)
    for kind, name in (("TABLE", "events"), ("TABLE", "outcomes"), ("VIEW", "followed")):
        connection.execute(f"DROP {kind} temp.{name}")


def _flag_reference(row: str) -> str:
    return (
        f"CASE flag WHEN 'sudo' THEN {row} ->> '$.sudo' ELSE {row} ->> '$.global_admin' END "
        "IS NOT DISTINCT FROM 'true'"
    )


def _review_rows(reviews: Sequence[StoredReview]) -> pa.Table:
    rows = [
        {
            "integration": review.integration,
            "reviewed_by": review.facts.kind,
            "completeness": "["
            + ", ".join(proof.model_dump_json() for proof in review.facts.completeness)
            + "]",
            **review.facts.model_dump(exclude={"kind", "organization", "completeness"}),
            **dict.fromkeys(("decided", "to_remove", "removed", "returned"), 0),
        }
        for review in reviews
    ]
    return pa.Table.from_pylist(rows, schema=REVIEWS.arrow_schema)


def _read_files(connection: duckdb.DuckDBPyConnection, reviews: Sequence[StoredReview]) -> None:
    """Create the views `population` and `decisions` of all reviews."""
    populations = [_select(review, f"FROM {parquet([review.items])}") for review in reviews]
    decisions = [
        _select(review, f"FROM {parquet(review.decisions)}")
        for review in reviews
        if review.decisions
    ]
    kinds = {column.name: column.type for column in REVIEW_ITEMS.columns}
    names = ("integration", "review_id", "reviewer_id", "item", "decision", "reason", "decided_at")
    none = ", ".join(f"NULL::{kinds[name]} AS {name}" for name in names)
    for table, parts in (
        ("population", populations),
        ("decisions", [f"SELECT {none} WHERE FALSE", *decisions]),
    ):
        union = " UNION ALL BY NAME ".join(parts)
        connection.execute(f"CREATE TEMP VIEW {table} AS {union}")


def _select(review: StoredReview, source: str) -> str:
    return (
        f"SELECT {quoted(review.integration)} AS integration, "
        f"{quoted(review.facts.review_id)} AS review_id, * {source}"
    )
