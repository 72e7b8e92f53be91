"""Findings of what grants access: system groups and applications."""

from pipelines.findings.model import Finding, began

GROUPS_WITH_PASSWORDLESS_SUDO = Finding(
    name="groups_with_passwordless_sudo",
    title="System groups that grant sudo without a password",
    severity="high",
    asset_type="system_groups",
    why="Whoever takes over a session of one of these users is root at once, on every device of "
    "the group.",
    remedy="In the group's binding of the user or user group, ask for a password; keep the "
    "exception for service accounts that cannot type one. A global administrator's own setting is "
    "no group's: `users.passwordless_sudo` has it.",
    evidence={
        "system_count": "devices of the group",
        "user_count": "users who have it there",
        "targets": "bindings that grant it, as type and id; empty where another edge does",
    },
    since="When the oldest grant that still stands was first seen",
    targets=("user", "user_group"),
    sql="""
WITH began AS (
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
        bool_or(b.granted_at IS NULL) AS is_from_start,
        list({'type': target_type, 'id': target_id} ORDER BY target_type, target_id)
            FILTER (target_id IS NOT NULL) AS targets
    FROM grants LEFT JOIN began b USING (integration, asset_type, asset_id)
    GROUP BY ALL
)
SELECT s.integration, 'system_groups' AS asset_type, s.group_id AS asset_id,
    coalesce(s.name, s.group_id) AS asset_name,
    json_object('system_count', s.system_count, 'user_count', g.user_count,
        'targets', coalesce(g.targets, [])) AS evidence,
    CASE WHEN g.is_from_start THEN s.first_seen_at ELSE greatest(s.first_seen_at, g.granted_at) END
        AS since
FROM granting g JOIN main.system_groups s USING (integration, group_id)
""",
)

GROUPS_WITHOUT_MEMBERS = Finding(
    name="groups_without_members",
    title="System groups without a device",
    severity="low",
    asset_type="system_groups",
    why="An empty group hides what it grants: the first device that is put into it gets all "
    "bindings of people whom nobody remembers.",
    remedy="Delete the group, or its bindings, unless a rule is about to fill it.",
    evidence={"user_count": "users who would reach its devices"},
    since="When it was seen to lose its last device",
    sql=f"""
WITH {began("system_groups", "group_id", "column_name = 'system_count' AND new_value = '0'")}
SELECT g.integration, 'system_groups' AS asset_type, g.group_id AS asset_id,
    coalesce(g.name, g.group_id) AS asset_name,
    json_object('user_count', g.user_count) AS evidence,
    greatest(g.first_seen_at, b.began_at) AS since
FROM main.system_groups g LEFT JOIN began b USING (integration, group_id)
WHERE g.system_count = 0
""",
)

APPLICATIONS_WITHOUT_USERS = Finding(
    name="applications_without_users",
    title="Applications that nobody holds",
    severity="low",
    asset_type="applications",
    why="A sign-on that nobody uses is still a trust between two systems, with a certificate that "
    "somebody has to renew. A suspended user who is bound counts as one who holds it.",
    remedy="Bind the users who should hold it, or delete the application.",
    evidence={"active": "whether it is switched on"},
    since="When it was seen to lose its last user",
    needs=("applications", "applications_users"),
    sql=f"""
WITH {began("applications", "application_id", "column_name = 'user_count' AND new_value = '0'")}
SELECT a.integration, 'applications' AS asset_type, a.application_id AS asset_id,
    coalesce(a.display_label, a.application_id) AS asset_name,
    json_object('active', a.active) AS evidence,
    greatest(a.first_seen_at, b.began_at) AS since
FROM main.applications a LEFT JOIN began b USING (integration, application_id)
WHERE a.user_count = 0
""",
)

GROUPS = (GROUPS_WITH_PASSWORDLESS_SUDO, GROUPS_WITHOUT_MEMBERS, APPLICATIONS_WITHOUT_USERS)
