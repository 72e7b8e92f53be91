"""The finding about devices of privileged users with an unencrypted disk."""

from pipelines.findings.access import DIRECT_WAYS
from pipelines.findings.model import Finding, last_change, last_start
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
    since="When the disk was first seen unencrypted; later if the device then got or lost the "
    "primary user or joined the groups in the evidence, or if the sudo was granted later",
    required_endpoints=("systems",),
    uses_direct_bindings=True,
    sql=f"""
WITH bound AS (
    SELECT integration, asset_id, max(observed_at) FILTER (change = 'added') AS bound_at,
        max(observed_at) FILTER (column_name = 'sudo' AND new_value = 'true') AS sudo_at
    FROM main.changes WHERE asset_type = 'system_group_users' GROUP BY ALL
),
{last_start("admin", "users", "column_name = 'global_admin' AND new_value = 'true'")},
granted AS (
    SELECT s.integration, s.group_id, s.user_id,
        greatest(
            g.first_seen_at, b.bound_at,
            least(
                CASE WHEN s.sudo THEN coalesce(b.sudo_at, g.first_seen_at) END,
                CASE WHEN u.global_admin THEN coalesce(a.admin_at, g.first_seen_at) END
            )
        ) AS granted_at
    FROM main.system_group_users s
    JOIN main.users u USING (integration, user_id)
    JOIN main.system_groups g USING (integration, group_id)
    LEFT JOIN admin a USING (integration, user_id)
    LEFT JOIN bound b
        ON b.integration = s.integration AND b.asset_id = s.group_id || '/' || s.user_id
    WHERE s.sudo OR u.global_admin
),
sudo_groups AS (
    SELECT integration, group_id, min(granted_at) AS granted_at FROM granted GROUP BY ALL
),
unencrypted AS (
    SELECT s.*, u.user_id IS NOT NULL AS has_primary_user,
        CASE WHEN u.global_admin THEN greatest(u.first_seen_at, a.admin_at) END AS admin_at
    FROM main.systems s
    LEFT JOIN main.users u ON u.integration = s.integration AND u.user_id = s.primary_user_id
    LEFT JOIN admin a ON a.integration = s.integration AND a.user_id = s.primary_user_id
    WHERE s.disk_encrypted = FALSE
),
{last_start("joined", "system_group_members")},
memberships AS (
    SELECT s.integration, s.system_id, s.primary_user_id, s.group_id, j.joined_at
    FROM (SELECT *, unnest(group_ids) AS group_id FROM unencrypted) s
    LEFT JOIN joined j
        ON j.integration = s.integration AND j.asset_id = s.group_id || '/' || s.system_id
),
{DIRECT_WAYS},
direct_sudo AS (
    SELECT d.integration, d.system_id, d.user_id, s.primary_user_id, d.user_group_name,
        {USERS.display_name("u")} AS username,
        greatest(
            u.first_seen_at, d.bound_at,
            least(
                CASE WHEN d.sudo THEN coalesce(d.sudo_at, u.first_seen_at) END,
                CASE WHEN u.global_admin THEN coalesce(a.admin_at, u.first_seen_at) END
            )
        ) AS granted_at
    FROM unencrypted s
    JOIN direct_ways d USING (integration, system_id)
    JOIN main.users u ON u.integration = d.integration AND u.user_id = d.user_id
    LEFT JOIN admin a ON a.integration = d.integration AND a.user_id = d.user_id
    WHERE d.sudo OR u.global_admin
),
primary_user_sudo AS (
    SELECT integration, system_id, min(granted_at) AS granted_at
    FROM (
        SELECT m.integration, m.system_id, greatest(g.granted_at, m.joined_at) AS granted_at
        FROM memberships m JOIN granted g
            ON g.integration = m.integration AND g.group_id = m.group_id
            AND g.user_id = m.primary_user_id
        UNION ALL
        SELECT integration, system_id, granted_at FROM direct_sudo WHERE user_id = primary_user_id
    )
    GROUP BY ALL
),
any_user_sudo AS (
    SELECT integration, system_id, {_names("group_id")} AS sudo_group_ids,
        {_names("username")} AS sudo_users, {_names("user_group_name")} AS sudo_user_groups,
        min(granted_at) AS granted_at
    FROM (
        SELECT integration, system_id, group_id, NULL AS username, NULL AS user_group_name,
            greatest(granted_at, joined_at) AS granted_at
        FROM memberships JOIN sudo_groups USING (integration, group_id)
        UNION ALL
        SELECT integration, system_id, NULL, CASE WHEN user_group_name IS NULL THEN username END,
            user_group_name, granted_at
        FROM direct_sudo
    )
    GROUP BY ALL
),
{last_change("removed", "users", "change = 'removed'")},
system_changes AS (
    SELECT integration, asset_id AS system_id,
        max(observed_at) FILTER (change = 'added') AS added_at,
        max(observed_at) FILTER (column_name = 'disk_encrypted') AS unencrypted_at,
        max(observed_at) FILTER (column_name = 'primary_user_id') AS primary_at
    FROM main.changes
    WHERE asset_type = 'systems' AND column_name IN ('', 'disk_encrypted', 'primary_user_id')
    GROUP BY ALL
)
SELECT u.integration, 'systems' AS asset_type, u.system_id AS asset_id,
    {SYSTEMS.display_name("u")} AS asset_name,
    json_object('primary_user_id', CASE WHEN u.has_primary_user THEN u.primary_user_id END,
        'sudo_group_ids', coalesce(a.sudo_group_ids, []),
        'sudo_users', coalesce(a.sudo_users, []),
        'sudo_user_groups', coalesce(a.sudo_user_groups, [])) AS evidence,
    greatest(
        u.first_seen_at, c.added_at, c.unencrypted_at, c.primary_at,
        CASE WHEN u.has_primary_user THEN least(u.admin_at, p.granted_at)
            ELSE greatest(a.granted_at, r.removed_at) END
    ) AS since
FROM unencrypted u
LEFT JOIN primary_user_sudo p USING (integration, system_id)
LEFT JOIN any_user_sudo a USING (integration, system_id)
LEFT JOIN system_changes c USING (integration, system_id)
LEFT JOIN removed r ON r.integration = u.integration AND r.user_id = u.primary_user_id
WHERE u.admin_at IS NOT NULL OR p.system_id IS NOT NULL
    OR NOT u.has_primary_user AND a.system_id IS NOT NULL
""",
)
