"""Read the content of the report: one query per topic, for all integrations together."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict, TypeVar

import duckdb

from pipelines.findings.catalog import FINDINGS, QUESTIONS
from pipelines.findings.life import OPEN
from pipelines.report.model import (
    Change,
    Count,
    Coverage,
    Finding,
    IntegrationReport,
    Point,
    Proof,
    Pull,
    Share,
)
from pipelines.schema.assets import has_mfa
from pipelines.schema.model import Table
from pipelines.schema.tables import (
    APPLICATIONS,
    ASSET_TABLES,
    INVENTORY_TABLES,
    IPV4_ADDRESSES,
    SYSTEM_GROUPS,
    SYSTEMS,
    USERS,
)

# Each has a number and a chart, which more would hide. Snapshots of each version have these.
COUNTED = (SYSTEMS, USERS, APPLICATIONS, IPV4_ADDRESSES, SYSTEM_GROUPS)
MAX_EXAMPLES = 5
MAX_SHARES = 8
# Each point is also a row of a table, and a longer table would not be read.
MAX_POINTS = 60
MAX_NAME_LENGTH = 80
OTHERS = "others"

T = TypeVar("T")

# A name may be very long, and contain control characters or reverse the text around it.
_DISPLAY_NAME_MACRO = f"""
CREATE TEMP MACRO display_name(name) AS regexp_replace(
    CASE WHEN length(name) > {MAX_NAME_LENGTH}
        THEN left(name, {MAX_NAME_LENGTH - 1}) || '…' ELSE name END,
    '[\\p{{Cc}}\\x{{202A}}-\\x{{202E}}\\x{{2066}}-\\x{{2069}}]', '\ufffd', 'g'
)
"""

_INTEGRATIONS = """
SELECT integration, display_name(coalesce(description, '')) AS description,
    display_name(coalesce(organization_name, organization_id, '')) AS organization,
    head_sha256, configured
FROM integrations ORDER BY integration
"""

_PULLS = """
SELECT integration, snapshot_id, run_id, started_at, finished_at,
    api_calls, api_retries, throttled
FROM snapshots JOIN integrations USING (integration)
WHERE snapshot_id = last_snapshot_id
"""

# With more snapshots than MAX_POINTS: an even selection that includes the latest.
_TREND = f"""
SELECT integration, snapshot_id, started_at AS at, rows, before, total
FROM (
    SELECT *,
        lag(rows) OVER by_time AS before,
        row_number() OVER by_time AS number,
        count(*) OVER (PARTITION BY integration) AS total
    FROM snapshots
    WINDOW by_time AS (PARTITION BY integration ORDER BY started_at, snapshot_id)
)
WHERE total <= {MAX_POINTS}
    OR number * {MAX_POINTS} // total > (number - 1) * {MAX_POINTS} // total
ORDER BY integration, number
"""

_FINDINGS = f"""
SELECT q.integration, q.finding, coalesce(f.count, 0), coalesce(f.names, 0),
    coalesce(f.examples, []), q.answerable, q.note
FROM {QUESTIONS.qualified_name} q
LEFT JOIN (
    SELECT integration, finding, count(*) AS count,
        count(DISTINCT display_name(asset_name)) AS names,
        min(DISTINCT display_name(asset_name), {MAX_EXAMPLES}) AS examples
    FROM {OPEN.qualified_name} WHERE confirmed GROUP BY ALL
) f USING (integration, finding)
"""

_OPERATING_SYSTEMS = """
SELECT integration, display_name(os) AS label, count(*) AS count
FROM systems GROUP BY ALL ORDER BY integration, count DESC, label
"""

CONTACT_AGES = {
    "less than 1 day": "days < 1",
    "1 to 7 days": "days >= 1 AND days < 7",
    "7 to 30 days": "days >= 7 AND days < 30",
    "30 to 90 days": "days >= 30 AND days < 90",
    "90 days or more": "days >= 90",
}
_AGE_COUNTS = ", ".join(
    f"count(*) FILTER ({age})" for age in (*CONTACT_AGES.values(), "days IS NULL")
)
_LAST_CONTACTS = f"""
SELECT integration, [{_AGE_COUNTS}] AS counts
FROM (
    SELECT integration, (epoch(started_at) - epoch(last_contact_at)) / 86400 AS days
    FROM systems JOIN integrations USING (integration) JOIN snapshots USING (integration)
    WHERE snapshot_id = last_snapshot_id
)
GROUP BY ALL
"""

PROTECTIONS = {
    "Devices: disk encrypted": (SYSTEMS, "disk_encrypted"),
    "Devices: MFA allowed": (SYSTEMS, "mfa_enabled"),
    "Users: MFA set up": (USERS, f"({has_mfa('users')})"),
}
_COVERAGE = " UNION ALL ".join(
    f"""
SELECT integration, '{label}' AS label, count(*) FILTER ({column}) AS yes,
    count(*) FILTER (NOT {column}) AS no, count(*) FILTER ({column} IS NULL) AS unknown
FROM {table.name} GROUP BY ALL
"""
    for label, (table, column) in PROTECTIONS.items()
)

_CHANGED_ROWS = """
SELECT DISTINCT c.integration, c.asset_type, c.change, c.asset_id,
    CASE c.change WHEN 'removed' THEN c.old_value WHEN 'added' THEN c.new_value END AS value
FROM changes c JOIN integrations i ON i.integration = c.integration
    AND i.last_snapshot_id = c.snapshot_id
"""

_PROOFS = """
SELECT integration, endpoint, proof, count(*) AS lists, sum(expected)::BIGINT AS expected,
    coalesce(sum(received), 0)::BIGINT AS received, coalesce(sum(holes), 0)::BIGINT AS holes
FROM completeness GROUP BY ALL ORDER BY ALL
"""


class _Facts(TypedDict):
    """The columns of `_INTEGRATIONS`."""

    description: str
    organization: str
    head_sha256: str
    configured: bool | None


@dataclass(frozen=True)
class _Snapshot:
    """A snapshot of the trend; `rows` and `before` are JSON, `total` counts all snapshots."""

    snapshot_id: str
    at: datetime
    rows: str
    before: str | None
    total: int


def read_reports(connection: duckdb.DuckDBPyConnection) -> list[IntegrationReport]:
    """Return the report of each integration that has published, ordered by name.

    Args:
        connection: a connection in UTC that uses the published file.
    """
    connection.execute(_DISPLAY_NAME_MACRO)
    pulls = _by_integration(connection, _PULLS, Pull)
    trends = _by_integration(connection, _TREND, _Snapshot)
    operating_systems = _by_integration(connection, _OPERATING_SYSTEMS, Share)
    last_contacts = _by_integration(connection, _LAST_CONTACTS, _last_contacts)
    coverage = _by_integration(connection, _COVERAGE, Coverage)
    changes = _by_integration(connection, _changes_sql(), Change)
    proofs = _by_integration(connection, _PROOFS, Proof)
    findings = _read_findings(connection)
    tables = [table.name for table in INVENTORY_TABLES]
    labels = list(PROTECTIONS)
    return [
        IntegrationReport(
            name=name,
            **facts,
            pull=pulls[name][0],
            snapshots=trends[name][-1].total,
            counts=_counts(trends[name][-1], {proof.endpoint for proof in proofs.get(name, [])}),
            trend=[Point(s.snapshot_id, s.at, json.loads(s.rows)) for s in trends[name]],
            operating_systems=_most_frequent(operating_systems.get(name, [])),
            last_contacts=last_contacts.get(name, [[]])[0],
            coverage=sorted(coverage.get(name, []), key=lambda row: labels.index(row.label)),
            findings=findings[name],
            changes=sorted(changes.get(name, []), key=lambda change: tables.index(change.table)),
            proofs=proofs.get(name, []),
        )
        for name, (facts,) in _by_integration(connection, _INTEGRATIONS, _Facts).items()
    ]


def _by_integration(
    connection: duckdb.DuckDBPyConnection, query: str, make: Callable[..., T]
) -> dict[str, list[T]]:
    """Group the rows of a query by integration.

    Args:
        connection: the connection.
        query: a query with a column `integration`.
        make: called for each row with its other columns as keyword arguments.
    """
    groups: dict[str, list[T]] = {}
    for row in connection.sql(query).to_arrow_table().to_pylist():
        groups.setdefault(row.pop("integration"), []).append(make(**row))
    return groups


def _counts(latest: _Snapshot, endpoints: set[str]) -> list[Count]:
    now, before = json.loads(latest.rows), json.loads(latest.before or "{}")
    return [
        Count(
            table.name,
            # A table that was not requested is unknown, not empty, unless the graph named ids.
            now[table.name] if now[table.name] or endpoints.issuperset(table.endpoints) else None,
            before.get(table.name),
        )
        for table in COUNTED
    ]


def _most_frequent(shares: Sequence[Share]) -> list[Share]:
    """Return the largest shares, the sum of the others, and the unknown share last."""
    known = [share for share in shares if share.label is not None]
    others = sum(share.count for share in known[MAX_SHARES:])
    return [
        *known[:MAX_SHARES],
        *([Share(OTHERS, others)] if others else []),
        *(share for share in shares if share.label is None),
    ]


def _last_contacts(counts: Sequence[int]) -> list[Share]:
    return [Share(age, count) for age, count in zip((*CONTACT_AGES, None), counts, strict=True)]


def _read_findings(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Finding]]:
    """Return all findings of each integration, in the order of the catalog."""
    catalog = {entry.name: entry for entry in FINDINGS}
    findings: dict[str, dict[str, Finding]] = {}
    for integration, name, *numbers in connection.sql(_FINDINGS).fetchall():
        entry = catalog[name]
        texts = (name, entry.severity, entry.title, entry.remedy)
        findings.setdefault(integration, {})[name] = Finding(*texts, *numbers)
    return {name: [found[one] for one in catalog] for name, found in findings.items()}


def _changes_sql() -> str:
    """Return SQL of the changes of each table; those of assets have example names."""
    named = " UNION ALL ".join(map(_named_sql, ASSET_TABLES))
    return f"""
WITH changed AS ({_CHANGED_ROWS}), named AS ({named})
SELECT integration, asset_type AS table, change AS kind, count(DISTINCT asset_id) AS count,
    coalesce(min(name, {MAX_EXAMPLES}), []) AS examples
FROM changed LEFT JOIN named USING (integration, asset_type, change, asset_id)
GROUP BY ALL ORDER BY ALL
"""


def _named_sql(table: Table) -> str:
    (key,) = table.key
    gone = table.display_name_in_json("c.value", "c.asset_id")
    return f"""
SELECT c.integration, c.asset_type, c.change, c.asset_id,
    display_name(coalesce({table.display_name("t")}, {gone})) AS name
FROM changed c LEFT JOIN {table.name} t ON t.integration = c.integration AND t.{key} = c.asset_id
WHERE c.asset_type = '{table.name}'
"""
