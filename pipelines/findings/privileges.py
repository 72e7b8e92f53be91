"""Findings about sudo outside groups, rules of groups, local administrators and exemptions."""

from pipelines.findings.access import DIRECT_SUDO_EVIDENCE, SUDO_GRANTS, SUDO_USERS
from pipelines.findings.model import Finding, select_assets
from pipelines.schema.assets import SYSTEM_GROUPS, SYSTEMS, USERS
from pipelines.schema.graph import USER_GROUPS

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
    required_endpoints=("systems",),
    sql=f"""
WITH unmanaged AS (
    SELECT integration, system_id, list_sort(list(username)) AS accounts
    FROM main.system_local_accounts
    WHERE admin AND managed = FALSE AND suspended IS NOT TRUE
        AND lower(username) NOT IN ({_BUILT_IN})
    GROUP BY ALL
)
SELECT s.integration, 'systems' AS asset_type, s.system_id AS asset_id,
    {SYSTEMS.display_name("s")} AS asset_name, json_object('accounts', u.accounts) AS evidence
FROM unmanaged u JOIN main.systems s USING (integration, system_id)
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
    required_endpoints=("systemusers",),
    sql=select_assets(
        "users",
        ("state", "mfa_status", "system_count"),
        "mfa_exclusion AND mfa_exclusion_until IS NULL",
    ),
)

USERS_WITHOUT_PASSWORD_EXPIRY_WITH_SUDO = Finding(
    name="users_without_password_expiry_with_sudo",
    title="Users with sudo on a device and a password that never expires",
    severity="medium",
    asset_type="users",
    why="A password that leaked years ago still makes its finder root or a local administrator on "
    "every device in the evidence.",
    remedy="Let the password expire, or remove sudo: from the bindings in the evidence, or from "
    "the user if the user is a global administrator.",
    evidence={
        "state": "state of the user",
        "password_date": "last change of the password, UTC; null if unknown",
        "global_admin": "true if the user has sudo on every device that the user can access",
        "sudo_group_ids": "system groups with devices on which the user has sudo",
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
    json_object('state', u.state,
        'password_date', strftime(make_timestamp(epoch_us(u.password_date)), '%Y-%m-%dT%H:%M:%SZ'),
        'global_admin', u.global_admin,
        'sudo_group_ids', coalesce(s.sudo_group_ids, []),
        {DIRECT_SUDO_EVIDENCE}) AS evidence
FROM main.users u
{SUDO_USERS}
    AND u.password_never_expires AND u.system_count > 0
""",
)

SYSTEMS_WITH_DIRECT_SUDO = Finding(
    name="systems_with_direct_sudo",
    title="Devices on which a direct binding grants sudo, outside system groups",
    severity="medium",
    asset_type="systems",
    why="Reviews of groups do not show such an exception. It was often meant for a day, and it "
    "stays when the person changes teams.",
    remedy="Grant sudo through a system group, and remove the binding of the user or user group to "
    "the device. Keep exceptions only where somebody owns them.",
    evidence={
        "users": "users who are bound to the device with sudo, as id and name",
        "user_groups": "user groups that are bound to it with sudo, as id and name",
        "sudo_without_password": "true if one of these bindings requires no password",
    },
    required_endpoints=(
        "systems",
        "systemusers",
        "usergroups",
        "users_associations",
        "usergroups_associations",
    ),
    uses_direct_bindings=True,
    sql=f"""
WITH exceptions AS (
    SELECT b.integration, b.system_id, b.user_id AS id, TRUE AS is_user,
        coalesce({USERS.display_name("u")}, b.user_id) AS name, b.sudo_without_password
    FROM main.user_system_bindings b LEFT JOIN main.users u USING (integration, user_id)
    WHERE b.sudo
    UNION ALL
    SELECT integration, system_id, user_group_id, FALSE, user_group_name, sudo_without_password
    FROM main.user_group_system_bindings WHERE sudo
),
bound_systems AS (
    SELECT e.integration, e.system_id, {SYSTEMS.display_name("s")} AS asset_name,
        list({{'id': e.id, 'name': e.name}} ORDER BY e.id) FILTER (e.is_user) AS users,
        list({{'id': e.id, 'name': e.name}} ORDER BY e.id) FILTER (NOT e.is_user) AS user_groups,
        bool_or(e.sudo_without_password IS TRUE) AS sudo_without_password
    FROM exceptions e JOIN main.systems s USING (integration, system_id)
    GROUP BY ALL
)
SELECT integration, 'systems' AS asset_type, system_id AS asset_id, asset_name,
    json_object('users', coalesce(users, []), 'user_groups', coalesce(user_groups, []),
        'sudo_without_password', sudo_without_password) AS evidence
FROM bound_systems
""",
)

GROUPS_WITH_RULE_ERRORS = Finding(
    name="groups_with_rule_errors",
    title="Dynamic groups with an error in their rule",
    severity="medium",
    asset_type="system_groups",
    why="JumpCloud does not evaluate such a rule. The group keeps members who left, and new ones "
    "do not get its access and policies.",
    remedy="Correct the rule in JumpCloud. `CYCLE` means that groups refer to one another, and "
    "`INVALID_GROUP_REFERENCE` that the rule names a group that was deleted.",
    evidence={
        "query_errors": "errors of the rule",
        "membership_method": "way in which the group gets its members",
    },
    required_endpoints=("usergroups",),
    sql=f"""
WITH faulty AS (
    SELECT g.integration, 'system_groups' AS asset_type, g.group_id AS asset_id,
        {SYSTEM_GROUPS.display_name("g")} AS asset_name, g.query_errors, g.membership_method
    FROM main.system_groups g
    UNION ALL
    SELECT g.integration, 'user_groups', g.user_group_id, {USER_GROUPS.display_name("g")},
        g.query_errors, g.membership_method
    FROM main.user_groups g
)
SELECT integration, asset_type, asset_id, asset_name,
    json_object('query_errors', query_errors, 'membership_method', membership_method) AS evidence
FROM faulty
WHERE len(query_errors) > 0
""",
)

PRIVILEGE_FINDINGS = (
    SYSTEMS_WITH_DIRECT_SUDO,
    GROUPS_WITH_RULE_ERRORS,
    SYSTEMS_WITH_UNMANAGED_ADMINISTRATORS,
    USERS_EXEMPT_FROM_MFA_WITHOUT_END,
    USERS_WITHOUT_PASSWORD_EXPIRY_WITH_SUDO,
)
