"""Every finding, and how many there are of each."""

from pipelines.findings.addresses import ADDRESSES
from pipelines.findings.devices import DEVICES
from pipelines.findings.finding import SCHEMA, Severity
from pipelines.findings.groups import GROUPS
from pipelines.findings.movements import MOVEMENTS
from pipelines.findings.people import PEOPLE
from pipelines.schema import Column, Table, View

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


def _summary() -> View:
    listed = ",\n    ".join(f"('{each.name}', '{each.severity}')" for each in FINDINGS)
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
            "count": "Its rows",
        },
        sql=f"""
WITH catalogue(finding, severity) AS (VALUES
    {listed}
),
counts AS (
    {counted}
)
SELECT i.integration, c.finding, c.severity, coalesce(n.count, 0) AS count
FROM main.integrations i CROSS JOIN catalogue c
LEFT JOIN counts n ON n.integration = i.integration AND n.finding = c.finding
""",
        schema=SCHEMA,
    )


SUMMARY = _summary()
FINDING_VIEWS = (*(each.view for each in FINDINGS), SUMMARY)
