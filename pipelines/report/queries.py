"""Asks the published file for what a report says: each question once, for all integrations."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import duckdb

from pipelines.findings.catalog import FINDINGS
from pipelines.findings.model import SCHEMA
from pipelines.findings.model import Finding as Question
from pipelines.report.model import (
    Change,
    Count,
    Coverage,
    Facts,
    Finding,
    Point,
    Proof,
    Pull,
    Share,
)
from pipelines.schema.model import Table
from pipelines.schema.tables import ASSET_TABLES, INVENTORY_TABLES, SYSTEMS, USERS

FIRST_NAMES = 5
MAX_SHARES = 8
# A point is a row of a table as well: more can be read by nobody.
MAX_POINTS = 60
NAME_LENGTH = 80
OTHERS = "others"

Made = TypeVar("Made")

# A name may be long, and hold what no page can show, or what turns the text around it.
_SHOWN = f"""
CREATE TEMP MACRO shown(name) AS regexp_replace(
    CASE WHEN length(name) > {NAME_LENGTH} THEN left(name, {NAME_LENGTH - 1}) || '…' ELSE name END,
    '[\\p{{Cc}}\\x{{202A}}-\\x{{202E}}\\x{{2066}}-\\x{{2069}}]', '\ufffd', 'g'
)
"""

_INTEGRATIONS = """
SELECT integration, shown(coalesce(description, '')) AS description,
    shown(coalesce(organization_name, organization_id, '')) AS organization
FROM integrations ORDER BY integration
"""

_PULLS = """
SELECT integration, snapshot_id, run_id, started_at, finished_at,
    api_calls, api_retries, throttled
FROM snapshots JOIN integrations USING (integration)
WHERE snapshot_id = last_snapshot_id
"""

# Of more snapshots than are shown, every so many-th, counted so that the latest is one of them.
_COURSE = f"""
SELECT integration, snapshot_id, started_at AS at, rows, before, total
FROM (
    SELECT *,
        lag(rows) OVER in_order AS before,
        row_number() OVER in_order AS number,
        count(*) OVER (PARTITION BY integration) AS total
    FROM snapshots
    WINDOW in_order AS (PARTITION BY integration ORDER BY started_at, snapshot_id)
)
WHERE total <= {MAX_POINTS}
    OR number * {MAX_POINTS} // total > (number - 1) * {MAX_POINTS} // total
ORDER BY integration, number
"""

_UNANSWERED = f"""
SELECT integration, finding FROM {SCHEMA}.questions WHERE NOT answerable
"""

_OPERATING_SYSTEMS = """
SELECT integration, shown(os) AS label, count(*) AS count
FROM systems GROUP BY ALL ORDER BY integration, count DESC, label
"""

AGES = {
    "less than 1 day": "days < 1",
    "1 to 7 days": "days >= 1 AND days < 7",
    "7 to 30 days": "days >= 7 AND days < 30",
    "30 to 90 days": "days >= 30 AND days < 90",
    "90 days or more": "days >= 90",
}
_IN_EACH_AGE = ", ".join(f"count(*) FILTER ({age})" for age in (*AGES.values(), "days IS NULL"))
_CONTACTS = f"""
SELECT integration, [{_IN_EACH_AGE}] AS counts
FROM (
    SELECT integration, (epoch(started_at) - epoch(last_contact_at)) / 86400 AS days
    FROM systems JOIN integrations USING (integration) JOIN snapshots USING (integration)
    WHERE snapshot_id = last_snapshot_id
)
GROUP BY ALL
"""

COVERED = {
    "Devices: disk encrypted": (SYSTEMS, "disk_encrypted"),
    "Devices: MFA allowed": (SYSTEMS, "mfa_enabled"),
    "Users: MFA set up": (USERS, "mfa_configured"),
}
_COVERAGE = " UNION ALL ".join(
    f"""
SELECT integration, '{what}' AS what, count(*) FILTER ({column}) AS yes,
    count(*) FILTER (NOT {column}) AS no, count(*) FILTER ({column} IS NULL) AS unknown
FROM {table.name} GROUP BY ALL
"""
    for what, (table, column) in COVERED.items()
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


@dataclass(frozen=True)
class _Step:
    """A snapshot of the course, the rows of the one before, and how many there are."""

    snapshot_id: str
    at: datetime
    rows: str
    before: str | None
    total: int

    @property
    def point(self) -> Point:
        return Point(self.snapshot_id, self.at, json.loads(self.rows))


@dataclass(frozen=True)
class _Integration:
    description: str
    organization: str


@dataclass(frozen=True)
class _Answers:
    count: int
    first: Sequence[str]


@dataclass(frozen=True)
class _Unanswered:
    finding: str


def read_facts(connection: duckdb.DuckDBPyConnection) -> list[Facts]:
    """What is to be said of each integration that has published, in the order of their names.

    Args:
        connection: the published file is its current database, and its time zone is UTC.
    """
    connection.execute(_SHOWN)
    pulls = _by_integration(connection, _PULLS, Pull)
    course = _by_integration(connection, _COURSE, _Step)
    systems = _by_integration(connection, _OPERATING_SYSTEMS, Share)
    contacts = _by_integration(connection, _CONTACTS, _contacts)
    coverage = _by_integration(connection, _COVERAGE, Coverage)
    changes = _by_integration(connection, _changes_sql(), Change)
    proofs = _by_integration(connection, _PROOFS, Proof)
    findings = _findings(connection)
    integrations = _by_integration(connection, _INTEGRATIONS, _Integration)
    tables = [each.name for each in INVENTORY_TABLES]
    return [
        Facts(
            name=name,
            description=integration.description,
            organization=integration.organization,
            pull=pulls[name][0],
            snapshots=course[name][-1].total,
            counts=_counts(course[name][-1], {each.endpoint for each in proofs.get(name, [])}),
            course=[each.point for each in course[name]],
            systems=_most_frequent(systems.get(name, [])),
            contacts=contacts.get(name, [[]])[0],
            coverage=sorted(coverage.get(name, []), key=lambda each: [*COVERED].index(each.what)),
            findings=findings(name),
            changes=sorted(changes.get(name, []), key=lambda each: tables.index(each.table)),
            proofs=proofs.get(name, []),
        )
        for name, (integration,) in integrations.items()
    ]


def _by_integration(
    connection: duckdb.DuckDBPyConnection, query: str, make: Callable[..., Made]
) -> dict[str, list[Made]]:
    """What is made of the rows of each integration; the columns are the arguments' names."""
    made: dict[str, list[Made]] = {}
    for row in connection.sql(query).to_arrow_table().to_pylist():
        made.setdefault(row.pop("integration"), []).append(make(**row))
    return made


def _counts(latest: _Step, endpoints: set[str]) -> list[Count]:
    now, before = json.loads(latest.rows), json.loads(latest.before or "{}")
    return [
        Count(
            table.name,
            # What was not asked for is not nothing; with ids alone, the graph may name some.
            now[table.name] if now[table.name] or endpoints.issuperset(table.endpoints) else None,
            before.get(table.name),
        )
        for table in ASSET_TABLES
    ]


def _most_frequent(shares: Sequence[Share]) -> list[Share]:
    """The first of them, and the others as one; those not known stay by themselves."""
    known = [each for each in shares if each.label is not None]
    others = sum(each.count for each in known[MAX_SHARES:])
    return [
        *known[:MAX_SHARES],
        *([Share(OTHERS, others)] if others else []),
        *(each for each in shares if each.label is None),
    ]


def _contacts(counts: Sequence[int]) -> list[Share]:
    return [Share(label, count) for label, count in zip((*AGES, None), counts, strict=True)]


def _answers_sql(finding: Question) -> str:
    return f"""
SELECT integration, count(*) AS count, min(shown(asset_name), {FIRST_NAMES}) AS first
FROM {SCHEMA}.{finding.name} GROUP BY integration
"""


def _findings(connection: duckdb.DuckDBPyConnection) -> Callable[[str], list[Finding]]:
    """What gives all findings of an integration, in the order of the catalog."""
    answers = {
        each.name: _by_integration(connection, _answers_sql(each), _Answers) for each in FINDINGS
    }
    unanswered = _by_integration(connection, _UNANSWERED, _Unanswered)

    def of(name: str) -> list[Finding]:
        unknown = {each.finding for each in unanswered.get(name, [])}
        return [
            _found(each, answers[each.name].get(name, []), is_answerable=each.name not in unknown)
            for each in FINDINGS
        ]

    return of


def _found(finding: Question, answers: Sequence[_Answers], *, is_answerable: bool) -> Finding:
    (answer,) = answers or [_Answers(0, [])]
    words = (finding.name, finding.severity, finding.title, finding.remedy)
    return Finding(*words, answer.count, answer.first, is_answerable)


def _changes_sql() -> str:
    """Rows of each table that were added, removed or changed; of assets, the first names."""
    named = " UNION ALL ".join(map(_named_sql, ASSET_TABLES))
    return f"""
WITH changed AS ({_CHANGED_ROWS}), named AS ({named})
SELECT integration, asset_type AS table, change AS kind, count(DISTINCT asset_id) AS count,
    coalesce(min(name, {FIRST_NAMES}), []) AS first
FROM changed LEFT JOIN named USING (integration, asset_type, change, asset_id)
GROUP BY ALL ORDER BY ALL
"""


def _named_sql(table: Table) -> str:
    (key,) = table.key
    return f"""
SELECT c.integration, c.asset_type, c.change, c.asset_id,
    shown(coalesce(t.{table.label}, c.value ->> '{table.label}', c.asset_id)) AS name
FROM changed c LEFT JOIN {table.name} t ON t.integration = c.integration AND t.{key} = c.asset_id
WHERE c.asset_type = '{table.name}'
"""
