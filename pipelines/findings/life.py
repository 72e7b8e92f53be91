"""Views of the life of findings: opened and closed rows, counts over time, and days to close.

Findings that compare two snapshots describe a single one. Their rows end with the next comparison,
which is no success of anybody, so that their ends do not count.
"""

from pipelines.findings.model import COLUMNS, SCHEMA
from pipelines.schema.model import View

_FINDING = {
    "integration": COLUMNS["integration"],
    "finding": "Name of the finding and of its view",
}
_RATED = _FINDING | {"severity": "high, medium or low"}
_IS_STATE = f"""h.finding NOT IN (
        SELECT finding FROM {SCHEMA}.catalog WHERE compares_snapshots
    )"""
_DAY = "86_400_000_000"
_OF_LATEST = """FROM main.finding_history h
JOIN main.integrations i USING (integration)
JOIN main.snapshots n ON n.integration = h.integration AND n.snapshot_id = i.last_snapshot_id"""

OPEN = View(
    "open",
    "Rows of all findings that are open",
    columns=_FINDING
    | COLUMNS
    | {
        "days_open": "Whole days from `since` to the start of the latest pull",
        "confirmed": "TRUE if the latest pull found it; FALSE if it could not answer the finding",
    },
    sql=f"""
SELECT h.integration, h.finding, h.severity, h.asset_type, h.asset_id, h.asset_name, h.evidence,
    h.opened_at AS since, (epoch_us(n.started_at) - epoch_us(h.opened_at)) // {_DAY} AS days_open,
    h.last_snapshot_id = i.last_snapshot_id AS confirmed
{_OF_LATEST}
WHERE h.closed_at IS NULL
""",
    schema=SCHEMA,
)

LATEST_CHANGES = View(
    "latest_changes",
    "Rows of findings that the latest snapshot opened or closed",
    columns=_RATED
    | {"change": "opened or closed"}
    | {name: COLUMNS[name] for name in ("asset_type", "asset_id", "asset_name")}
    | {
        "evidence": "Evidence when it was last found",
        "since": "Start of the pull that first found it",
        "snapshot_id": "Latest snapshot of the integration",
    },
    sql=f"""
SELECT h.integration, h.finding, h.severity,
    CASE WHEN h.closed_at IS NULL THEN 'opened' ELSE 'closed' END AS change,
    h.asset_type, h.asset_id, h.asset_name, h.evidence, h.opened_at AS since,
    i.last_snapshot_id AS snapshot_id
{_OF_LATEST}
WHERE h.closed_at IS NULL AND h.opened_at = n.started_at
    OR h.closed_at = n.started_at AND {_IS_STATE}
""",
    schema=SCHEMA,
)

OVER_TIME = View(
    "over_time",
    "Number of open rows of each finding after each snapshot, from the first one that had a row",
    columns=_FINDING
    | {
        "snapshot_id": "Snapshot",
        "started_at": "Start of its pull",
        "count": "Number of rows that were open after it",
    },
    sql="""
WITH steps AS (
    SELECT integration, finding, opened_at AS moment, 1 AS step FROM main.finding_history
    UNION ALL
    SELECT integration, finding, closed_at, -1 FROM main.finding_history
    WHERE closed_at IS NOT NULL
),
sums AS (
    SELECT integration, finding, moment, (sum(sum(step)) OVER (
        PARTITION BY integration, finding ORDER BY moment
    ))::BIGINT AS count
    FROM steps GROUP BY integration, finding, moment
),
points AS (
    SELECT integration, finding, snapshot_id, started_at
    FROM (SELECT DISTINCT integration, finding FROM sums) JOIN main.snapshots USING (integration)
)
SELECT p.integration, p.finding, p.snapshot_id, p.started_at, s.count
FROM points p ASOF JOIN sums s
    ON s.integration = p.integration AND s.finding = p.finding AND p.started_at >= s.moment
""",
    schema=SCHEMA,
)

LIFETIMES = View(
    "lifetimes",
    "How long the rows of each finding have been open, and how long it took to close them; without "
    "findings that compare two snapshots",
    columns=_RATED
    | {
        "open": "Number of rows that are open",
        "opened": "Number of rows that the latest snapshot opened",
        "closed": "Number of rows that the latest snapshot closed",
        "closed_ever": "Number of rows that any snapshot closed",
        "median_days_to_close": "Median of the days from opening to closing; NULL if none closed",
        "longest_days_open": "Whole days since the oldest open row was opened; NULL if none is",
    },
    sql=f"""
SELECT h.integration, h.finding, arg_max(h.severity, h.opened_at) AS severity,
    count(*) FILTER (h.closed_at IS NULL) AS open,
    count(*) FILTER (h.opened_at = n.started_at) AS opened,
    count(*) FILTER (h.closed_at = n.started_at) AS closed,
    count(h.closed_at) AS closed_ever,
    median((epoch_us(h.closed_at) - epoch_us(h.opened_at)) / {_DAY}) AS median_days_to_close,
    max((epoch_us(n.started_at) - epoch_us(h.opened_at)) // {_DAY})
        FILTER (h.closed_at IS NULL) AS longest_days_open
{_OF_LATEST}
WHERE {_IS_STATE}
GROUP BY h.integration, h.finding
""",
    schema=SCHEMA,
)

LIFE_VIEWS = (LATEST_CHANGES, OVER_TIME, LIFETIMES)
