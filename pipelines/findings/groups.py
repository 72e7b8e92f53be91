"""Findings about system groups and applications, which grant access."""

from pipelines.findings.model import Finding, last_change, select_assets
from pipelines.schema.assets import APPLICATIONS, SYSTEM_GROUPS

GROUPS_WITH_PASSWORDLESS_SUDO = Finding(
    name="groups_with_passwordless_sudo",
    title="System groups that grant sudo without a password",
    severity="high",
    asset_type="system_groups",
    why="An attacker who takes over a session of one of these users becomes root on every device "
    "of the group.",
    remedy="Require a password in the group's binding to the user or user group. Allow exceptions "
    "only for service accounts that cannot enter one. The setting of a global administrator does "
    "not belong to a group: see `users.passwordless_sudo`.",
    evidence={
        "system_count": "number of devices in the group",
        "user_count": "number of users who have sudo without a password through the group",
        "targets": "bindings that grant it, as type and id; empty if only the list of the group's "
        "users reports it",
    },
    since="When the earliest grant that still exists was first seen",
    required_targets=("user", "user_group"),
    sql=f"""
WITH grant_changes AS (
    SELECT integration, asset_type, asset_id, max(observed_at) AS granted_at
    FROM main.changes
    WHERE asset_type IN ('system_group_users', 'system_group_associations')
        AND (change = 'added' OR column_name = 'sudo_without_password' AND new_value = 'true')
    GROUP BY ALL
),
grants AS (
    SELECT integration, 'system_group_users' AS asset_type, group_id, user_id,
        NULL AS target_type, NULL AS target_id, group_id || '/' || user_id AS asset_id
    FROM main.system_group_users WHERE sudo_without_password
    UNION ALL
    SELECT integration, 'system_group_associations', group_id, NULL, target_type, target_id,
        concat_ws('/', group_id, target_type, target_id)
    FROM main.system_group_associations WHERE sudo_without_password
),
granting AS (
    SELECT integration, group_id, count(user_id) AS user_count, min(b.granted_at) AS granted_at,
        bool_or(b.granted_at IS NULL) AS has_initial_grant,
        list({{'type': target_type, 'id': target_id}} ORDER BY target_type, target_id)
            FILTER (target_id IS NOT NULL) AS targets
    FROM grants LEFT JOIN grant_changes b USING (integration, asset_type, asset_id)
    GROUP BY ALL
)
SELECT s.integration, 'system_groups' AS asset_type, s.group_id AS asset_id,
    {SYSTEM_GROUPS.display_name("s")} AS asset_name,
    json_object('system_count', s.system_count, 'user_count', g.user_count,
        'targets', coalesce(g.targets, [])) AS evidence,
    CASE WHEN g.has_initial_grant THEN s.first_seen_at
        ELSE greatest(s.first_seen_at, g.granted_at) END AS since
FROM granting g JOIN main.system_groups s USING (integration, group_id)
""",
)

GROUPS_WITHOUT_MEMBERS = Finding(
    name="groups_without_members",
    title="System groups without devices",
    severity="low",
    asset_type="system_groups",
    why="The bindings of an empty group have no visible effect. The first device that is added to "
    "the group becomes accessible to all its users, including forgotten ones.",
    remedy="Delete the group or its bindings, unless a membership rule will fill it soon.",
    evidence={"user_count": "number of users who would get access to its devices"},
    since="When the group was first seen without devices",
    sql=select_assets(
        "system_groups",
        ("user_count",),
        "system_count = 0",
        "column_name = 'system_count' AND new_value = '0'",
    ),
)

APPLICATIONS_WITHOUT_USERS = Finding(
    name="applications_without_users",
    title="Applications without users",
    severity="low",
    asset_type="applications",
    why="An unused SSO application is still a trust relationship between two systems, with a "
    "certificate to renew. A suspended user who is bound to it counts as a user.",
    remedy="Bind the users who need the application, or delete it.",
    evidence={"active": "true if the application is enabled"},
    since="When the application was first seen without users",
    required_endpoints=("applications", "applications_users"),
    sql=select_assets(
        "applications",
        ("active",),
        "user_count = 0",
        "column_name = 'user_count' AND new_value = '0'",
    ),
)

# Long enough to renew a certificate with every service provider.
CERTIFICATE_DAYS = 30

APPLICATIONS_WITH_EXPIRING_CERTIFICATE = Finding(
    name="applications_with_expiring_certificate",
    title=f"Applications with a certificate that has expired or expires within {CERTIFICATE_DAYS} "
    "days",
    severity="medium",
    asset_type="applications",
    why="JumpCloud signs logins with the certificate. Many applications refuse a login that an "
    "expired certificate signed, so nobody can log in.",
    remedy="Renew the certificate in JumpCloud, and upload it to the application in the same "
    "maintenance window. Disable the application if nobody uses it: disabled ones are not "
    "reported.",
    evidence={
        "expires_at": "end of the certificate, UTC",
        "days_left": "whole days from the start of the pull to the end; negative after it",
        "user_count": "number of users bound to the application; null if they are not pulled",
    },
    since=f"{CERTIFICATE_DAYS} days before the end, or when the application was first seen or "
    "enabled, whichever is later",
    required_endpoints=("applications",),
    sql=f"""
WITH {last_change("enabled", "applications", "column_name = 'active' AND old_value = 'false'")},
ending AS (
    SELECT a.*, a.idp_certificate_expires_at AS ends_at,
        (epoch_us(a.idp_certificate_expires_at) - epoch_us(n.started_at)) / 86_400_000_000
            AS days_left
    FROM main.applications a
    JOIN main.integrations i USING (integration)
    JOIN main.snapshots n
        ON n.integration = i.integration AND n.snapshot_id = i.last_snapshot_id
    WHERE a.active IS NOT FALSE
)
SELECT a.integration, 'applications' AS asset_type, a.application_id AS asset_id,
    {APPLICATIONS.display_name("a")} AS asset_name,
    json_object(
        'expires_at', strftime(make_timestamp(epoch_us(a.ends_at)), '%Y-%m-%dT%H:%M:%SZ'),
        'days_left', floor(a.days_left)::BIGINT, 'user_count', a.user_count) AS evidence,
    greatest(a.first_seen_at, e.enabled_at, a.ends_at - to_hours(24 * {CERTIFICATE_DAYS}))
        AS since
FROM ending a LEFT JOIN enabled e USING (integration, application_id)
WHERE a.days_left < {CERTIFICATE_DAYS}
""",
)

GROUP_FINDINGS = (
    GROUPS_WITH_PASSWORDLESS_SUDO,
    GROUPS_WITHOUT_MEMBERS,
    APPLICATIONS_WITHOUT_USERS,
    APPLICATIONS_WITH_EXPIRING_CERTIFICATE,
)
