"""List of all findings, the views with their counts and availability, and a count of all."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

import duckdb

from pipelines.findings.access import SUDO_GRANTS
from pipelines.findings.life import LIFE_VIEWS, OPEN
from pipelines.findings.model import MAX_NAMES, SCHEMA, Finding, parse_finding
from pipelines.schema.assets import DIRECT
from pipelines.schema.model import View
from pipelines.severity import SEVERITIES
from pipelines.sql import quoted

# Ordered by severity, the highest first, and by name.
FINDINGS = tuple(
    sorted(
        (
            parse_finding(file.name.removesuffix(".sql"), file.read_text(encoding="utf-8"))
            for file in resources.files(__package__).joinpath("sql").iterdir()
        ),
        key=lambda finding: (SEVERITIES.index(finding.severity), finding.name),
    )
)

_VIEW_COLUMNS = {
    "integration": "Name of the integration",
    "finding": "Name of the finding and of its view",
    "severity": "high, medium or low",
}

_NOTE = {
    "note": "Bindings to single devices that the latest pull, or for a comparison the previous "
    "one, did not read, although the finding counts them; NULL if there are none"
}


def _row(finding: Finding) -> str:
    """Return the row of a finding in `catalog` as SQL."""
    texts = (finding.name, finding.severity, finding.title, finding.why, finding.remedy)
    facts = json.dumps(dict(finding.evidence), ensure_ascii=False)
    lists = (finding.required_endpoints, finding.required_targets, finding.required_fields)
    values = (
        *map(quoted, (*texts, facts, finding.query)),
        *(f"{list(names)}::TEXT[]" for names in lists),
        str(finding.compares_snapshots),
        str(finding.uses_direct_bindings),
    )
    return f"({', '.join(values)})"


_ROWS = ",\n    ".join(map(_row, FINDINGS))
CATALOG = View(
    "catalog",
    "Findings that the latest pull of an integration asked, with their texts and queries",
    columns=_VIEW_COLUMNS
    | {
        "title": "Meaning of a row",
        "why": "Reason why it matters",
        "remedy": "Recommended action",
        "evidence": "JSON object with the meaning of each key of the evidence",
        "query": "Query over the tables of a snapshot",
        "endpoints": "Lists that a pull must have read to answer it",
        "targets": "Target types that a pull must have read the associations of groups for",
        "fields": "Raw fields that decide which rows it has",
        "compares_snapshots": "TRUE if it compares the latest two snapshots",
        "uses_direct_bindings": "TRUE if it counts bindings to single devices",
    },
    sql=f"""
SELECT i.integration, b.* REPLACE (b.evidence::JSON AS evidence)
FROM (VALUES
    {_ROWS}
) b(
    finding, severity, title, why, remedy, evidence, query, endpoints, targets, fields,
    compares_snapshots, uses_direct_bindings
)
CROSS JOIN main.integrations i
""",
    schema=SCHEMA,
)

QUESTIONS = View(
    "questions",
    "Findings that the latest snapshots of an integration can answer",
    columns=_VIEW_COLUMNS
    | {
        "answerable": "TRUE if the latest pull read the lists and associations that the finding "
        "requires, and every value of its fields; for a comparison of two snapshots, the previous "
        "pull must have read them too"
    }
    | _NOTE,
    sql=f"""
WITH
-- The latest two pulls. Without any application, there is no list of application users to read,
-- and likewise for direct bindings, which are read either by user or by device.
pulls AS (
    SELECT integration,
        row_number() OVER (
            PARTITION BY integration ORDER BY started_at DESC, snapshot_id DESC
        ) AS age,
        flatten([
            completeness ->> '$[*].endpoint',
            CASE WHEN (rows ->> '$.applications') = '0' THEN ['applications_users'] ELSE [] END,
            CASE WHEN list_contains(completeness ->> '$[*].endpoint', 'systems_associations')
                OR (rows ->> '$.users') = '0' OR (rows ->> '$.systems') = '0'
                THEN ['users_associations'] ELSE [] END,
            CASE WHEN (rows ->> '$.user_groups') = '0'
                    AND list_contains(completeness ->> '$[*].endpoint', 'usergroups')
                THEN ['usergroups_associations', 'usergroups_members'] ELSE [] END
        ]) AS endpoints,
        list_has_all(endpoints, {list(DIRECT)}) AS has_direct,
        -- Earlier versions did not record them.
        coalesce(completeness ->> '$[*].lost_fields[*]', []) AS lost_fields,
        (rows ->> '$.system_groups') = '0' AS has_no_groups
    FROM main.snapshots
    QUALIFY age <= 2
),
-- A list of associations names one target, or several separated by commas.
associations AS (
    SELECT integration, flatten(list(string_split(target, ','))) AS targets
    FROM main.completeness WHERE endpoint = 'systemgroups_associations' GROUP BY integration
)
SELECT i.integration, c.finding, c.severity,
    list_has_all(latest.endpoints, c.endpoints)
        AND (latest.has_no_groups OR list_has_all(coalesce(a.targets, []), c.targets))
        AND NOT list_has_any(latest.lost_fields, c.fields)
        AND (
            NOT c.compares_snapshots
            OR coalesce(list_has_all(before.endpoints, c.endpoints), FALSE)
                AND NOT list_has_any(before.lost_fields, c.fields)
        ) AS answerable,
    CASE WHEN c.uses_direct_bindings THEN CASE
        WHEN NOT latest.has_direct THEN 'without '
            || CASE WHEN i.direct_bindings = 'partial' THEN 'some' ELSE 'the' END
            || ' bindings of users and user groups to single devices, which were not read'
            || CASE WHEN i.direct_bindings = 'off' THEN ' (direct_bindings is off)' ELSE '' END
        WHEN c.compares_snapshots AND NOT before.has_direct THEN 'without the bindings of users '
            || 'and user groups to single devices, which the previous pull did not read'
    END END AS note
FROM main.integrations i
JOIN pulls latest ON latest.integration = i.integration AND latest.age = 1
LEFT JOIN associations a ON a.integration = i.integration
LEFT JOIN pulls before ON before.integration = i.integration AND before.age = 2
JOIN {CATALOG.qualified_name} c ON c.integration = i.integration
""",
    schema=SCHEMA,
)

SUMMARY = View(
    "summary",
    "Number of rows of each finding, including zero, for integrations of the settings",
    columns=_VIEW_COLUMNS
    | {"count": "Number of rows; NULL if there are none but the finding was not answerable"}
    | _NOTE,
    sql=f"""
WITH counts AS (
    SELECT integration, finding, count(*) AS count FROM {OPEN.qualified_name}
    WHERE confirmed GROUP BY ALL
)
SELECT q.integration, q.finding, q.severity,
    coalesce(n.count, CASE WHEN q.answerable THEN 0 END) AS count, q.note
FROM {SCHEMA}.questions q LEFT JOIN counts n USING (integration, finding)
WHERE q.integration NOT IN (SELECT integration FROM main.integrations WHERE NOT configured)
""",
    schema=SCHEMA,
)

FINDING_VIEWS = (
    CATALOG,
    SUDO_GRANTS,
    OPEN,
    *(finding.view for finding in FINDINGS),
    QUESTIONS,
    SUMMARY,
    *LIFE_VIEWS,
)


@dataclass(frozen=True)
class FindingCount:
    """The number of rows of one finding in one integration.

    Attributes:
        finding: the finding.
        count: number of rows; None if there are none but the finding cannot be computed.
        names: the first ten assets, sorted.
        is_partial: True if the finding counts bindings to single devices that were not read.
    """

    finding: Finding
    count: int | None
    names: tuple[str, ...]
    is_partial: bool


def count_findings(
    connection: duckdb.DuckDBPyConnection, integration: str
) -> Iterator[FindingCount]:
    """Yield the count of each finding of an integration, including zero.

    Args:
        connection: a connection that uses the published file.
        integration: name of the integration.
    """
    of_integration = {"integration": integration}
    questions = connection.sql(
        f"SELECT finding, answerable, note IS NOT NULL FROM {QUESTIONS.qualified_name} "
        "WHERE integration = $integration",
        params=of_integration,
    ).fetchall()
    answerable = {finding for finding, is_answerable, _ in questions if is_answerable}
    partial = {finding for finding, _, is_partial in questions if is_partial}
    rows = connection.sql(
        f"SELECT finding, count(*), min(asset_name, {MAX_NAMES}) FROM {OPEN.qualified_name} "
        "WHERE integration = $integration AND confirmed GROUP BY finding",
        params=of_integration,
    ).fetchall()
    found = {finding: (count, names) for finding, count, names in rows}
    for finding in FINDINGS:
        count, names = found.get(finding.name, (0, ()))
        is_known = count or finding.name in answerable
        yield FindingCount(
            finding, count if is_known else None, tuple(names), finding.name in partial
        )
