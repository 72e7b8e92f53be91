"""List of all findings, the views with their counts and availability, and a count of all."""

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from pipelines.findings.changes import CHANGE_FINDINGS
from pipelines.findings.devices import ADDRESS_FINDINGS, DEVICE_FINDINGS
from pipelines.findings.encryption import UNENCRYPTED_SYSTEMS_OF_PRIVILEGED_USERS
from pipelines.findings.life import LIFE_VIEWS, OPEN
from pipelines.findings.model import MAX_NAMES, SCHEMA, Finding
from pipelines.findings.privileges import PRIVILEGE_FINDINGS
from pipelines.findings.users import GROUP_FINDINGS, USER_FINDINGS
from pipelines.schema.assets import DIRECT
from pipelines.schema.model import View
from pipelines.severity import SEVERITIES

# Ordered by severity, the highest first.
FINDINGS = tuple(
    sorted(
        (
            *USER_FINDINGS,
            UNENCRYPTED_SYSTEMS_OF_PRIVILEGED_USERS,
            *DEVICE_FINDINGS,
            *GROUP_FINDINGS,
            *PRIVILEGE_FINDINGS,
            *CHANGE_FINDINGS,
            *ADDRESS_FINDINGS,
        ),
        key=lambda finding: SEVERITIES.index(finding.severity),
    )
)

# Raw fields that decide which rows a finding has. Their values are lost if they have another type
# than known.
_DIRECT_SUDO = (
    "users_associations.attributes",
    "systems_associations.attributes",
    "usergroups_associations.attributes",
    "usergroups.attributes",
)
_GROUP_SUDO = ("systemgroups_users.compiledAttributes", "systemgroups_users.paths")
_SUDO = (*_GROUP_SUDO, *_DIRECT_SUDO)
REQUIRED_FIELDS = {
    "access_gained": (
        *_SUDO,
        "systemusers.sudo",
        "systemusers.passwordless_sudo",
        "applications.active",
    ),
    "applications_with_expiring_certificate": ("applications.active", "applications.sso"),
    "applications_without_users": ("applications.active",),
    "groups_with_passwordless_sudo": (*_GROUP_SUDO, "systemgroups_associations.attributes"),
    "groups_with_rule_errors": (
        "systemgroups.memberQueryErrorFlags",
        "usergroups.memberQueryErrorFlags",
    ),
    "shared_private_addresses": ("systems.networkInterfaces",),
    "shared_public_addresses": ("systems.remoteIP",),
    "stale_systems_with_access": ("systems.active", "systems.created", "systems.lastContact"),
    "suspended_users_with_access": (
        "systemusers.state",
        "systemusers.suspended",
        "systemusers.account_locked",
    ),
    "systems_with_direct_sudo": _DIRECT_SUDO,
    "systems_with_failing_policies": ("systems.policyStats",),
    "systems_with_same_serial_number": ("systems.serialNumber",),
    "systems_with_unmanaged_administrators": ("systems.userMetrics",),
    "systems_without_users": ("systems.primarySystemUser",),
    "unencrypted_systems_of_privileged_users": (
        *_SUDO,
        "systems.fde",
        "systems.primarySystemUser",
        "systemusers.sudo",
    ),
    "users_exempt_from_mfa_without_end": ("systemusers.mfa",),
    "users_without_mfa_with_sudo": (
        *_SUDO,
        "systemusers.mfa",
        "systemusers.mfaEnrollment",
        "systemusers.totp_enabled",
        "systemusers.sudo",
    ),
    "users_without_password_expiry_with_sudo": (
        *_SUDO,
        "systemusers.password_never_expires",
        "systemusers.sudo",
    ),
    "users_without_systems": ("systems.primarySystemUser",),
}

_VIEW_COLUMNS = {
    "integration": "Name of the integration",
    "finding": "Name of the finding and of its view",
    "severity": "high, medium or low",
}

_NOTE = {
    "note": "Bindings to single devices that the latest pull, or for a comparison the previous "
    "one, did not read, although the finding counts them; NULL if there are none"
}

_CATALOG_ROWS = ",\n    ".join(
    f"('{finding.name}', '{finding.severity}', {list(finding.required_endpoints)}::TEXT[], "
    f"{list(finding.required_targets)}::TEXT[], "
    f"{list(REQUIRED_FIELDS.get(finding.name, ()))}::TEXT[], {finding.compares_snapshots}, "
    f"{finding.uses_direct_bindings})"
    for finding in FINDINGS
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
WITH catalog(
    finding, severity, endpoints, targets, fields, compares_snapshots, uses_direct
) AS (VALUES
    {_CATALOG_ROWS}
),
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
    CASE WHEN c.uses_direct THEN CASE
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
CROSS JOIN catalog c
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

FINDING_VIEWS = (OPEN, *(finding.view for finding in FINDINGS), QUESTIONS, SUMMARY, *LIFE_VIEWS)


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
