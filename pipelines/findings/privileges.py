"""Findings about local administrators, and about exemptions of users from MFA and expiry."""

from pipelines.findings.model import Finding, last_change, last_start, select_assets
from pipelines.schema.assets import SYSTEMS, USERS

# Defines granted(integration, user_id, sudo_group_ids, granted_at): the groups with devices on
# which a user has sudo, and the start of the earliest one.
SUDO_GRANTS = f"""{
    last_start("bound", "system_group_users", "column_name = 'sudo' AND new_value = 'true'")
},
{last_change("filled", "system_groups", "column_name = 'system_count' AND old_value = '0'")},
granted AS (
    SELECT s.integration, s.user_id, list_sort(list(s.group_id)) AS sudo_group_ids,
        min(greatest(g.first_seen_at, b.bound_at, f.filled_at)) AS granted_at
    FROM main.system_group_users s
    JOIN main.system_groups g USING (integration, group_id)
    LEFT JOIN filled f USING (integration, group_id)
    LEFT JOIN bound b
        ON b.integration = s.integration AND b.asset_id = s.group_id || '/' || s.user_id
    WHERE s.sudo AND g.system_count > 0
    GROUP BY ALL
)"""

# Unix has `root` always, and `_jumpcloudserviceaccount` is JumpCloud's own account on a Mac.
_BUILT_IN = "'root', '_jumpcloudserviceaccount'"

SYSTEMS_WITH_UNMANAGED_ADMINISTRATORS = Finding(
    name="systems_with_unmanaged_administrators",
    title="Devices with a local administrator that JumpCloud does not manage",
    severity="medium",
    asset_type="systems",
    why="JumpCloud neither suspends such an account nor changes its password. Whoever knows the "
    "password controls the device, also after leaving the company.",
    remedy="Let JumpCloud take over the account, remove its administrator rights, or disable it. "
    "`root` and JumpCloud's own service account are not reported, and neither are disabled "
    "accounts. All accounts are in `system_local_accounts`.",
    evidence={"accounts": "names of these accounts on the device"},
    since="When the earliest of these accounts was first seen as an unmanaged administrator, after "
    "it was none",
    required_endpoints=("systems",),
    sql=f"""
WITH {
        last_start(
            "started",
            "system_local_accounts",
            "column_name = 'admin' AND new_value = 'true'",
            "column_name = 'managed' AND new_value = 'false'",
            "column_name = 'suspended' AND old_value = 'true'",
        )
    },
unmanaged AS (
    SELECT s.integration, s.system_id, {SYSTEMS.display_name("s")} AS asset_name,
        list_sort(list(a.username)) AS accounts,
        min(greatest(s.first_seen_at, c.started_at)) AS since
    FROM main.system_local_accounts a
    JOIN main.systems s USING (integration, system_id)
    LEFT JOIN started c
        ON c.integration = a.integration AND c.asset_id = a.system_id || '/' || a.username
    WHERE a.admin AND a.managed = FALSE AND a.suspended IS NOT TRUE
        AND lower(a.username) NOT IN ({_BUILT_IN})
    GROUP BY ALL
)
SELECT integration, 'systems' AS asset_type, system_id AS asset_id, asset_name,
    json_object('accounts', accounts) AS evidence, since
FROM unmanaged
""",
)

USERS_EXEMPT_FROM_MFA_WITHOUT_END = Finding(
    name="users_exempt_from_mfa_without_end",
    title="Users who are exempt from MFA without an end",
    severity="medium",
    asset_type="users",
    why="An exemption is meant for the days until a user has enrolled a factor. Without an end, it "
    "is forgotten, and one stolen password is enough.",
    remedy="End the exemption, or give it an end. For an account that cannot have a second factor, "
    "restrict its access instead.",
    evidence={
        "state": "state of the user",
        "mfa_status": "status of MFA with any factor",
        "system_count": "number of devices that the user can access",
    },
    since="When the user was first seen exempt, or the exemption without its end, whichever is "
    "later",
    required_endpoints=("systemusers",),
    sql=select_assets(
        "users",
        ("state", "mfa_status", "system_count"),
        "mfa_exclusion AND mfa_exclusion_until IS NULL",
        "column_name = 'mfa_exclusion' AND new_value = 'true'",
        "column_name = 'mfa_exclusion_until' AND new_value IS NULL",
    ),
)

USERS_WITHOUT_PASSWORD_EXPIRY_WITH_SUDO = Finding(
    name="users_without_password_expiry_with_sudo",
    title="Users with sudo on a device and a password that never expires",
    severity="medium",
    asset_type="users",
    why="A password that leaked years ago still makes its finder root or a local administrator on "
    "every device of these groups.",
    remedy="Let the password expire, or remove sudo: from the bindings of the groups in the "
    "evidence, or from the user if the user is a global administrator.",
    evidence={
        "state": "state of the user",
        "password_date": "last change of the password, UTC; null if unknown",
        "global_admin": "true if the user has sudo on every device that the user can access",
        "sudo_group_ids": "system groups with devices on which the user has sudo",
    },
    since="When the password was first seen without expiry, or with the earliest sudo that the "
    "user still has, whichever is later",
    required_endpoints=("systemusers",),
    sql=f"""
WITH user_changes AS (
    SELECT integration, asset_id AS user_id,
        max(observed_at) FILTER (change = 'added') AS added_at,
        max(observed_at) FILTER (column_name = 'password_never_expires' AND new_value = 'true')
            AS unlimited_at,
        max(observed_at) FILTER (column_name = 'global_admin' AND new_value = 'true') AS admin_at,
        max(observed_at) FILTER (column_name = 'system_count' AND old_value = '0') AS systems_at
    FROM main.changes
    WHERE asset_type = 'users'
        AND column_name IN ('', 'password_never_expires', 'global_admin', 'system_count')
    GROUP BY ALL
),
unlimited AS (
    SELECT u.*, c.* EXCLUDE (integration, user_id, added_at),
        greatest(u.first_seen_at, c.added_at) AS known_at
    FROM main.users u LEFT JOIN user_changes c USING (integration, user_id)
    WHERE u.password_never_expires AND u.system_count > 0
),
{SUDO_GRANTS}
SELECT u.integration, 'users' AS asset_type, u.user_id AS asset_id,
    {USERS.display_name("u")} AS asset_name,
    json_object('state', u.state,
        'password_date', strftime(make_timestamp(epoch_us(u.password_date)), '%Y-%m-%dT%H:%M:%SZ'),
        'global_admin', u.global_admin,
        'sudo_group_ids', coalesce(s.sudo_group_ids, [])) AS evidence,
    greatest(
        u.known_at, u.unlimited_at, u.systems_at,
        least(
            CASE WHEN u.global_admin THEN coalesce(u.admin_at, u.known_at) END, s.granted_at
        )
    ) AS since
FROM unlimited u LEFT JOIN granted s USING (integration, user_id)
WHERE u.global_admin OR s.user_id IS NOT NULL
""",
)

PRIVILEGE_FINDINGS = (
    SYSTEMS_WITH_UNMANAGED_ADMINISTRATORS,
    USERS_EXEMPT_FROM_MFA_WITHOUT_END,
    USERS_WITHOUT_PASSWORD_EXPIRY_WITH_SUDO,
)
