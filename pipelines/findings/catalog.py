"""List of all findings, and the views with their counts and availability."""

from pipelines.findings.addresses import ADDRESS_FINDINGS
from pipelines.findings.changes import CHANGE_FINDINGS
from pipelines.findings.devices import DEVICE_FINDINGS
from pipelines.findings.groups import GROUP_FINDINGS
from pipelines.findings.model import SCHEMA, Severity
from pipelines.findings.users import USER_FINDINGS
from pipelines.schema.model import Column, Table, View

_SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")

# Ordered by severity, the highest first.
FINDINGS = tuple(
    sorted(
        (*USER_FINDINGS, *DEVICE_FINDINGS, *GROUP_FINDINGS, *CHANGE_FINDINGS, *ADDRESS_FINDINGS),
        key=lambda finding: _SEVERITIES.index(finding.severity),
    )
)

THRESHOLDS = Table(
    "thresholds",
    "Thresholds of the findings, from the settings of each integration's latest pull",
    key=(),
    columns=(
        Column("integration", "TEXT", "Name of the integration"),
        Column("stale_days", "BIGINT", "Days without contact after which a device is stale"),
        Column("many_devices", "BIGINT", "Minimum number of devices sharing a private address"),
        Column("few_devices", "BIGINT", "Maximum number of devices sharing a public address"),
    ),
    schema=SCHEMA,
)

_VIEW_COLUMNS = {
    "integration": "Name of the integration",
    "finding": "Name of the finding and of its view",
    "severity": "high, medium or low",
}

_CATALOG_ROWS = ",\n    ".join(
    f"('{finding.name}', '{finding.severity}', {list(finding.required_endpoints)}::TEXT[], "
    f"{list(finding.required_targets)}::TEXT[], {finding.compares_snapshots})"
    for finding in FINDINGS
)

QUESTIONS = View(
    "questions",
    "Findings that the latest snapshots of an integration can answer",
    columns=_VIEW_COLUMNS
    | {
        "answerable": "TRUE if the latest pull read the lists and associations that the finding "
        "requires; for a comparison of two snapshots, the previous pull must have read them too"
    },
    sql=f"""
WITH catalog(finding, severity, endpoints, targets, compares_snapshots) AS (VALUES
    {_CATALOG_ROWS}
),
-- The latest two pulls. Without any application, there is no list of application users to read.
pulls AS (
    SELECT integration,
        row_number() OVER (
            PARTITION BY integration ORDER BY started_at DESC, snapshot_id DESC
        ) AS age,
        list_concat(
            completeness ->> '$[*].endpoint',
            CASE WHEN rows ->> '$.applications' = '0' THEN ['applications_users'] ELSE [] END
        ) AS endpoints,
        rows ->> '$.system_groups' = '0' AS has_no_groups
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
        AND (
            NOT c.compares_snapshots
            OR coalesce(list_has_all(before.endpoints, c.endpoints), FALSE)
        ) AS answerable
FROM main.integrations i
JOIN pulls latest ON latest.integration = i.integration AND latest.age = 1
LEFT JOIN associations a ON a.integration = i.integration
LEFT JOIN pulls before ON before.integration = i.integration AND before.age = 2
CROSS JOIN catalog c
""",
    schema=SCHEMA,
)

_COUNTS = "\n    UNION ALL\n    ".join(
    f"SELECT integration, '{finding.name}' AS finding, count(*) AS count "
    f"FROM {SCHEMA}.{finding.name} GROUP BY integration"
    for finding in FINDINGS
)

SUMMARY = View(
    "summary",
    "Number of rows of each finding, including zero, for integrations of the settings",
    columns=_VIEW_COLUMNS
    | {"count": "Number of rows; NULL if there are none but the finding was not answerable"},
    sql=f"""
WITH counts AS (
    {_COUNTS}
)
SELECT q.integration, q.finding, q.severity,
    coalesce(n.count, CASE WHEN q.answerable THEN 0 END) AS count
FROM {SCHEMA}.questions q LEFT JOIN counts n USING (integration, finding)
WHERE q.integration NOT IN (SELECT integration FROM main.integrations WHERE NOT configured)
""",
    schema=SCHEMA,
)

FINDING_VIEWS = (*(finding.view for finding in FINDINGS), QUESTIONS, SUMMARY)
