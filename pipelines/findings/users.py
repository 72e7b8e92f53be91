"""Findings about users, and about the groups and applications that give them access."""

from pipelines.findings.access import DIRECT_SUDO_EVIDENCE, SUDO_GRANTS, SUDO_USERS
from pipelines.findings.model import Finding, select_assets
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
    required_endpoints=("systemusers", "applications", "applications_users"),
    uses_direct_bindings=True,
    sql=f"""
WITH application_access AS (
    SELECT h.integration, h.user_id, count(*) AS active_count
    FROM main.application_users h
    JOIN main.applications a USING (integration, application_id)
    WHERE a.active IS NOT FALSE
    GROUP BY ALL
)
SELECT u.integration, 'users' AS asset_type, u.user_id AS asset_id,
    {USERS.display_name("u")} AS asset_name,
    json_object('state', u.state, 'suspended', u.suspended, 'account_locked', u.account_locked,
        'system_count', u.system_count, 'application_count',
        CASE WHEN u.application_count IS NOT NULL THEN coalesce(a.active_count, 0) END) AS evidence
FROM main.users u LEFT JOIN application_access a USING (integration, user_id)
WHERE (u.suspended OR u.account_locked OR u.state = 'SUSPENDED')
    AND (u.system_count > 0 OR a.active_count > 0)
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
    required_endpoints=("systemusers",),
    uses_direct_bindings=True,
    sql=f"""
WITH {SUDO_GRANTS}
SELECT u.integration, 'users' AS asset_type, u.user_id AS asset_id,
    {USERS.display_name("u")} AS asset_name,
    json_object('state', u.state, 'global_admin', u.global_admin,
        'sudo_group_ids', coalesce(s.sudo_group_ids, []),
        'mfa_exclusion', u.mfa_exclusion,
        {DIRECT_SUDO_EVIDENCE}) AS evidence
FROM main.users u
{SUDO_USERS}
    AND NOT {has_mfa("u")} AND u.system_count > 0
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
    required_endpoints=("systemusers", "systems"),
    uses_direct_bindings=True,
    sql=f"""
SELECT u.integration, 'users' AS asset_type, u.user_id AS asset_id,
    {USERS.display_name("u")} AS asset_name,
    json_object('state', u.state, 'application_count', u.application_count) AS evidence
FROM main.users u
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
    required_targets=("user", "user_group"),
    sql=f"""
WITH grants AS (
    SELECT integration, group_id, user_id, NULL AS target_type, NULL AS target_id,
        NULL AS target_name
    FROM main.system_group_users WHERE sudo_without_password
    UNION ALL
    SELECT integration, group_id, NULL, target_type, target_id, coalesce(target_name, target_id)
    FROM main.system_group_associations WHERE sudo_without_password
),
granting AS (
    SELECT integration, group_id, count(user_id) AS user_count,
        list({{'type': target_type, 'id': target_id, 'name': target_name}}
            ORDER BY target_type, target_id) FILTER (target_id IS NOT NULL) AS targets
    FROM grants GROUP BY ALL
)
SELECT s.integration, 'system_groups' AS asset_type, s.group_id AS asset_id,
    {SYSTEM_GROUPS.display_name("s")} AS asset_name,
    json_object('system_count', s.system_count, 'user_count', g.user_count,
        'targets', coalesce(g.targets, [])) AS evidence
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
    sql=select_assets(
        "system_groups",
        ("user_count",),
        "system_count = 0",
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
    required_endpoints=("applications", "applications_users"),
    sql=select_assets(
        "applications",
        ("active",),
        "user_count = 0",
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
    required_endpoints=("applications",),
    sql=f"""
WITH ending AS (
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
        'days_left', floor(a.days_left)::BIGINT, 'user_count', a.user_count) AS evidence
FROM ending a
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
