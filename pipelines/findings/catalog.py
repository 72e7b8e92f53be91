"""Every finding, and how many there are of each."""

from pipelines.findings.addresses import ADDRESSES
from pipelines.findings.changes import MOVEMENTS
from pipelines.findings.devices import DEVICES
from pipelines.findings.groups import GROUPS
from pipelines.findings.model import SCHEMA, Severity
from pipelines.findings.users import PEOPLE
from pipelines.schema.model import Column, Table, View

_SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")

# The gravest first.
FINDINGS = tuple(
    sorted(
        (*PEOPLE, *DEVICES, *GROUPS, *MOVEMENTS, *ADDRESSES),
        key=lambda each: _SEVERITIES.index(each.severity),
    )
)

THRESHOLDS = Table(
    "thresholds",
    "From where on something is a finding: the settings of the integration's latest pull",
    key=(),
    columns=(
        Column("integration", "TEXT", "Name of the integration"),
        Column("stale_days", "BIGINT", "Days without contact after which a device is stale"),
        Column("many_devices", "BIGINT", "Devices from which on a private address is shared"),
        Column("few_devices", "BIGINT", "Devices up to which a public address is shared by a few"),
    ),
    schema=SCHEMA,
)

_ANSWERABLE = """
WITH catalog(finding, severity, needs, targets, compares) AS (VALUES
    {catalog}
),
-- Of the latest and the one before. Without an application there is no list of its users.
pulls AS (
    SELECT integration,
        row_number() OVER (
            PARTITION BY integration ORDER BY started_at DESC, snapshot_id DESC
        ) AS age,
        list_concat(
            completeness ->> '$[*].endpoint',
            CASE WHEN rows ->> '$.applications' = '0' THEN ['applications_users'] ELSE [] END
        ) AS endpoints,
        rows ->> '$.system_groups' = '0' AS is_without_groups
    FROM main.snapshots
    QUALIFY age <= 2
),
-- A list of associations names one target, or several with commas between.
associations AS (
    SELECT integration, flatten(list(string_split(target, ','))) AS targets
    FROM main.completeness WHERE endpoint = 'systemgroups_associations' GROUP BY integration
)
SELECT i.integration, c.finding, c.severity,
    list_has_all(latest.endpoints, c.needs)
        AND (latest.is_without_groups OR list_has_all(coalesce(a.targets, []), c.targets))
        AND (NOT c.compares OR coalesce(list_has_all(before.endpoints, c.needs), FALSE))
        AS answerable
FROM main.integrations i
JOIN pulls latest ON latest.integration = i.integration AND latest.age = 1
LEFT JOIN associations a ON a.integration = i.integration
LEFT JOIN pulls before ON before.integration = i.integration AND before.age = 2
CROSS JOIN catalog c
"""


def _questions() -> View:
    listed = ",\n    ".join(
        f"('{each.name}', '{each.severity}', {list(each.needs)}::TEXT[], "
        f"{list(each.targets)}::TEXT[], {each.compares})"
        for each in FINDINGS
    )
    return View(
        "questions",
        "Which findings the snapshots of an integration can tell of",
        columns={
            "integration": "Name of the integration",
            "finding": "Name of the finding, which is that of its view",
            "severity": "high, medium or low",
            "answerable": "Whether its latest pull asked for the lists and associations that it "
            "takes, and, where it takes two snapshots, the one before did, too",
        },
        sql=_ANSWERABLE.format(catalog=listed),
        schema=SCHEMA,
    )


def _summary() -> View:
    counted = "\n    UNION ALL\n    ".join(
        f"SELECT integration, '{each.name}' AS finding, count(*) AS count "
        f"FROM {SCHEMA}.{each.name} GROUP BY integration"
        for each in FINDINGS
    )
    return View(
        "summary",
        "How many there are of each finding, none included",
        columns={
            "integration": "Name of the integration",
            "finding": "Name of the finding, which is that of its view",
            "severity": "high, medium or low",
            "count": "Its rows; NULL where there is none, but the question was not answerable",
        },
        sql=f"""
WITH counts AS (
    {counted}
)
SELECT q.integration, q.finding, q.severity,
    coalesce(n.count, CASE WHEN q.answerable THEN 0 END) AS count
FROM {SCHEMA}.questions q LEFT JOIN counts n USING (integration, finding)
""",
        schema=SCHEMA,
    )


QUESTIONS = _questions()
SUMMARY = _summary()
FINDING_VIEWS = (*(each.view for each in FINDINGS), QUESTIONS, SUMMARY)
