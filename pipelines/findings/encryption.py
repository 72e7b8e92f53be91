"""The finding about devices of privileged users with an unencrypted disk."""

from pipelines.findings.access import DIRECT_WAYS
from pipelines.findings.model import Finding
from pipelines.schema.assets import SYSTEMS, USERS


def _names(column: str) -> str:
    """Return SQL of the distinct values of a column that are not NULL, sorted."""
    return f"coalesce(list_sort(list(DISTINCT {column}) FILTER ({column} IS NOT NULL)), [])"


UNENCRYPTED_SYSTEMS_OF_PRIVILEGED_USERS = Finding(
    name="unencrypted_systems_of_privileged_users",
    title="Devices without disk encryption that privileged users use",
    severity="high",
    asset_type="systems",
    why="Anyone who finds or steals the device can read its disk, including the keys, sessions and "
    "passwords of a user with sudo. If the primary user is known, only this user counts, and must "
    "be a global administrator or have sudo on this device. Otherwise, every user counts who has "
    "sudo on the device, through a group or a binding to the device itself.",
    remedy="Enable FileVault, BitLocker or LUKS with a policy on the device's groups. Until then, "
    "replace the primary user's keys if the device is lost.",
    evidence={
        "primary_user_id": "primary user, if known: a global administrator or a user with sudo on "
        "the device",
        "sudo_group_ids": "groups of the device through which a user has sudo on it",
        "sudo_users": "names of the users with sudo who are bound to the device itself",
        "sudo_user_groups": "names of the user groups that are bound to the device itself and "
        "through which a user has sudo on it",
    },
    required_endpoints=("systems",),
    uses_direct_bindings=True,
    sql=f"""
WITH granted AS (
    SELECT s.integration, s.group_id, s.user_id
    FROM main.system_group_users s
    JOIN main.users u USING (integration, user_id)
    WHERE s.sudo OR u.global_admin
),
unencrypted AS (
    SELECT s.*, u.user_id IS NOT NULL AS has_primary_user, u.global_admin
    FROM main.systems s
    LEFT JOIN main.users u ON u.integration = s.integration AND u.user_id = s.primary_user_id
    WHERE s.disk_encrypted = FALSE
),
{DIRECT_WAYS},
ways AS (
    SELECT s.integration, s.system_id, g.user_id, g.group_id, NULL AS username,
        NULL AS user_group_name
    FROM (SELECT *, unnest(group_ids) AS group_id FROM unencrypted) s
    JOIN granted g USING (integration, group_id)
    UNION ALL
    SELECT s.integration, s.system_id, u.user_id, NULL,
        CASE WHEN d.user_group_name IS NULL THEN {USERS.display_name("u")} END, d.user_group_name
    FROM unencrypted s
    JOIN direct_ways d USING (integration, system_id)
    JOIN main.users u ON u.integration = d.integration AND u.user_id = d.user_id
    WHERE d.sudo OR u.global_admin
),
sudo AS (
    SELECT w.integration, w.system_id, {_names("group_id")} AS sudo_group_ids,
        {_names("username")} AS sudo_users, {_names("user_group_name")} AS sudo_user_groups,
        bool_or(w.user_id = s.primary_user_id) AS of_primary_user
    FROM ways w JOIN unencrypted s USING (integration, system_id)
    GROUP BY ALL
)
SELECT u.integration, 'systems' AS asset_type, u.system_id AS asset_id,
    {SYSTEMS.display_name("u")} AS asset_name,
    json_object('primary_user_id', CASE WHEN u.has_primary_user THEN u.primary_user_id END,
        'sudo_group_ids', coalesce(a.sudo_group_ids, []),
        'sudo_users', coalesce(a.sudo_users, []),
        'sudo_user_groups', coalesce(a.sudo_user_groups, [])) AS evidence
FROM unencrypted u LEFT JOIN sudo a USING (integration, system_id)
WHERE CASE WHEN u.has_primary_user THEN u.global_admin OR a.of_primary_user
    ELSE a.system_id IS NOT NULL END
""",
)
