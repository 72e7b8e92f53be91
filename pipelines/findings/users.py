"""Findings about users, and about the groups and applications that give them access."""

from pipelines.findings.access import (
    DIRECT_SUDO_EVIDENCE,
    SUDO_GRANTS,
    SUDO_SINCE,
    SUDO_USERS,
)
from pipelines.findings.model import Finding, last_change, last_start, select_assets
from pipelines.schema.assets import APPLICATIONS, SYSTEM_GROUPS, USERS, has_mfa

SUSPENDED_USERS_WITH_ACCESS = Finding(
    name="suspended_users_with_access",
    title="Suspended or locked users who still have access to a device or an application",
    severity="high",
    asset_type="users",
    why="Suspending a user blocks the login but keeps the bindings. Reactivating or unlocking the "
    "account restores all access at once, and sessions and local accounts may still work.",
    remedy="Remove people who left from their groups and devices, or delete them. Find out why an "
    "account was locked before you unlock it.",
    evidence={
        "state": "state of the user",
        "suspended": "true if the user is suspended",
        "account_locked": "true if the account was locked after too many wrong passwords",
        "system_count": "number of devices that the user can access",
        "application_count": "number of applications that the user can access and that are not "
        "disabled; null if applications are not pulled",
    },
    since="When the user was first seen as suspended or locked, or with access, whichever is "
    "later. If several reasons apply, the earliest one counts",
    required_endpoints=("systemusers", "applications", "applications_users"),
    uses_direct_bindings=True,
    sql=f"""
WITH user_changes AS (
    SELECT integration, asset_id AS user_id,
        max(observed_at) FILTER (change = 'added') AS added_at,
        max(observed_at) FILTER (column_name = 'suspended' AND new_value = 'true') AS suspended_at,
        max(observed_at) FILTER (column_name = 'account_locked' AND new_value = 'true')
            AS locked_at,
        max(observed_at) FILTER (column_name = 'state' AND new_value = '"SUSPENDED"') AS state_at,
        max(observed_at) FILTER (column_name = 'system_count' AND old_value = '0') AS systems_at
    FROM main.changes
    WHERE asset_type = 'users'
        AND column_name IN ('', 'suspended', 'account_locked', 'state', 'system_count')
    GROUP BY ALL
),
{last_start("bound", "application_users")},
{last_change("enabled", "applications", "column_name = 'active' AND old_value = 'false'")},
application_access AS (
    SELECT h.integration, h.user_id, count(*) AS active_count,
        min(greatest(a.first_seen_at, b.bound_at, e.enabled_at)) AS applications_at
    FROM main.application_users h
    JOIN main.applications a USING (integration, application_id)
    LEFT JOIN enabled e USING (integration, application_id)
    LEFT JOIN bound b
        ON b.integration = h.integration AND b.asset_id = h.application_id || '/' || h.user_id
    WHERE a.active IS NOT FALSE
    GROUP BY ALL
),
found AS (
    SELECT u.* EXCLUDE (application_count), c.* EXCLUDE (integration, user_id, added_at),
        greatest(u.first_seen_at, c.added_at) AS known_at, a.applications_at,
        CASE WHEN u.application_count IS NOT NULL THEN coalesce(a.active_count, 0) END
            AS application_count
    FROM main.users u
    LEFT JOIN user_changes c USING (integration, user_id)
    LEFT JOIN application_access a USING (integration, user_id)
    WHERE (u.suspended OR u.account_locked OR u.state = 'SUSPENDED')
        AND (u.system_count > 0 OR a.active_count > 0)
)
SELECT integration, 'users' AS asset_type, user_id AS asset_id,
    {USERS.display_name("found")} AS asset_name,
    json_object('state', state, 'suspended', suspended, 'account_locked', account_locked,
        'system_count', system_count, 'application_count', application_count) AS evidence,
    greatest(
        known_at,
        least(
            CASE WHEN suspended THEN coalesce(suspended_at, known_at) END,
            CASE WHEN account_locked THEN coalesce(locked_at, known_at) END,
            CASE WHEN state = 'SUSPENDED' THEN coalesce(state_at, known_at) END
        ),
        least(
            CASE WHEN system_count > 0 THEN coalesce(systems_at, known_at) END,
            applications_at
        )
    ) AS since
FROM found
""",
)

USERS_WITHOUT_MFA_WITH_SUDO = Finding(
    name="users_without_mfa_with_sudo",
    title="Users without MFA who have sudo on a device",
    severity="high",
    asset_type="users",
    why="One stolen password is enough to become root or a local administrator on every device "
    "in the evidence. A user with any enrolled factor has MFA: one-time passwords, a security key, "
    "push or another one.",
    remedy="Require MFA for the user, or remove sudo: from the bindings in the evidence, or from "
    "the user if the user is a global administrator.",
    evidence={
        "state": "state of the user",
        "global_admin": "true if the user has sudo on every device that the user can access",
        "sudo_group_ids": "system groups with devices on which the user has sudo",
        "mfa_exclusion": "true if the user is exempt from MFA",
        "sudo_system_ids": "devices to which the user is bound directly, with sudo",
        "sudo_user_groups": "names of the user's groups that are bound directly to a device, with "
        "sudo",
    },
    since="When the user was first seen without MFA, or with the earliest sudo that the user still "
    "has, whichever is later",
    required_endpoints=("systemusers",),
    uses_direct_bindings=True,
    sql=f"""
WITH user_changes AS (
    SELECT integration, asset_id AS user_id,
        max(observed_at) FILTER (change = 'added') AS added_at,
        max(observed_at) FILTER (column_name = 'mfa_configured' AND new_value = 'false') AS mfa_at,
        max(observed_at) FILTER (column_name = 'totp_enabled' AND old_value = 'true') AS totp_at,
        max(observed_at) FILTER (column_name = 'mfa_status' AND old_value = '"ENROLLED"')
            AS status_at,
        max(observed_at) FILTER (column_name = 'global_admin' AND new_value = 'true') AS admin_at,
        max(observed_at) FILTER (column_name = 'system_count' AND old_value = '0') AS systems_at
    FROM main.changes
    WHERE asset_type = 'users' AND column_name IN (
        '', 'mfa_configured', 'totp_enabled', 'mfa_status', 'global_admin', 'system_count'
    )
    GROUP BY ALL
),
without_mfa AS (
    SELECT u.*, c.* EXCLUDE (integration, user_id, added_at),
        greatest(u.first_seen_at, c.added_at) AS known_at
    FROM main.users u LEFT JOIN user_changes c USING (integration, user_id)
    WHERE NOT {has_mfa("u")} AND u.system_count > 0
),
{SUDO_GRANTS}
SELECT u.integration, 'users' AS asset_type, u.user_id AS asset_id,
    {USERS.display_name("u")} AS asset_name,
    json_object('state', u.state, 'global_admin', u.global_admin,
        'sudo_group_ids', coalesce(s.sudo_group_ids, []),
        'mfa_exclusion', u.mfa_exclusion,
        {DIRECT_SUDO_EVIDENCE}) AS evidence,
    greatest(
        u.known_at, u.mfa_at, u.totp_at, u.status_at, u.systems_at,
        {SUDO_SINCE}
    ) AS since
FROM without_mfa u
{SUDO_USERS}
""",
)

USERS_WITHOUT_SYSTEMS = Finding(
    name="users_without_systems",
    title="Users who cannot access any device and are not the primary user of one",
    severity="low",
    asset_type="users",
    why="An account that is not used on any device has often been forgotten. It costs a license, "
    "and nobody notices when someone else uses it.",
    remedy="Check that the person still works here. If so, bind the user to a device or document "
    "the reason; otherwise suspend the account. Put service accounts into a separate group.",
    evidence={
        "state": "state of the user",
        "application_count": "number of applications that the user can access; null if "
        "applications are not pulled",
    },
    since="When the user was first seen without a device",
    required_endpoints=("systemusers", "systems"),
    uses_direct_bindings=True,
    sql=f"""
WITH {
        last_start(
            "started",
            "users",
            "column_name = 'system_count' AND new_value = '0'",
            "column_name = 'resolved' AND new_value = 'true'",
        )
    },
lost AS (
    SELECT integration, coalesce(old_value ->> '$.primary_user_id', old_value ->> '$') AS user_id,
        max(observed_at) AS lost_at
    FROM main.changes
    WHERE asset_type = 'systems' AND (change = 'removed' OR column_name = 'primary_user_id')
    GROUP BY ALL
)
SELECT u.integration, 'users' AS asset_type, u.user_id AS asset_id,
    {USERS.display_name("u")} AS asset_name,
    json_object('state', u.state, 'application_count', u.application_count) AS evidence,
    greatest(u.first_seen_at, s.started_at, l.lost_at) AS since
FROM main.users u
LEFT JOIN started s USING (integration, user_id)
LEFT JOIN lost l USING (integration, user_id)
WHERE u.resolved AND u.system_count = 0
    AND (u.integration, u.user_id) NOT IN (
        SELECT (integration, primary_user_id) FROM main.systems WHERE primary_user_id IS NOT NULL
    )
    -- Primary users are known only if the devices' records are pulled.
    AND u.integration IN (SELECT integration FROM main.completeness WHERE endpoint = 'systems')
""",
)

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
        "targets": "bindings that grant it, as type, id and name; empty if only the list of the "
        "group's users reports it",
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
        NULL AS target_type, NULL AS target_id, NULL AS target_name,
        group_id || '/' || user_id AS asset_id
    FROM main.system_group_users WHERE sudo_without_password
    UNION ALL
    SELECT integration, 'system_group_associations', group_id, NULL, target_type, target_id,
        coalesce(target_name, target_id), concat_ws('/', group_id, target_type, target_id)
    FROM main.system_group_associations WHERE sudo_without_password
),
granting AS (
    SELECT integration, group_id, count(user_id) AS user_count, min(b.granted_at) AS granted_at,
        bool_or(b.granted_at IS NULL) AS has_initial_grant,
        list({{'type': target_type, 'id': target_id, 'name': target_name}}
            ORDER BY target_type, target_id) FILTER (target_id IS NOT NULL) AS targets
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

USER_FINDINGS = (SUSPENDED_USERS_WITH_ACCESS, USERS_WITHOUT_MFA_WITH_SUDO, USERS_WITHOUT_SYSTEMS)
GROUP_FINDINGS = (
    GROUPS_WITH_PASSWORDLESS_SUDO,
    GROUPS_WITHOUT_MEMBERS,
    APPLICATIONS_WITHOUT_USERS,
    APPLICATIONS_WITH_EXPIRING_CERTIFICATE,
)
