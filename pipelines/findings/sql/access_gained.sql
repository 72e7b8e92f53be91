/*
title = "Access or sudo that is new in the latest snapshot"
severity = "medium"
why = """
Permissions that someone granted by mistake, or to themselves, are easiest to find on the day
when they appear."""
remedy = "Compare each row with a request for it. Revoke access that nobody requested."
distinct = ["group_id", "application_id", "system_id", "user_group_id"]

[evidence]
gained = "list of `access`, `sudo` and `sudo_without_password`"
group_id = "system group that grants the access, if any"
application_id = "active application that the user can now access, if any"
through = """
name (or id) of the group, application or device that the ids name; `global administrator` if the
user became one, in which case all ids are null"""
reach = """
for a user: number of devices of the group, or 1 for a device; for a global administrator: number
of devices that the user can access; for a device: number of users of the group; null for an
application"""
system_id = "device that the user is bound to without any group, if so"
user_group_id = """
user group that is bound to devices without a system group, if the access is through it"""

[needs]
endpoints = ["applications", "applications_users"]
fields = [
    "systemgroups_users.compiledAttributes",
    "systemgroups_users.paths",
    "users_associations.attributes",
    "systems_associations.attributes",
    "usergroups_associations.attributes",
    "usergroups.attributes",
    "systemusers.sudo",
    "systemusers.passwordless_sudo",
    "applications.active",
]
previous_snapshot = true
direct_bindings = true
*/
WITH latest AS (
    SELECT c.* FROM main.changes c
    JOIN main.integrations i
        ON i.integration = c.integration AND i.last_snapshot_id = c.snapshot_id
),
bound AS (
    SELECT integration, asset_type, split_part(asset_id, '/', 1) AS source_id,
        split_part(asset_id, '/', 2) AS target_id,
        list_sort(flatten(list(
            CASE WHEN change = 'changed' THEN [column_name] ELSE ['access'] END
            || CASE WHEN new_value ->> '$.sudo' = 'true' THEN ['sudo'] ELSE [] END
            || CASE WHEN new_value ->> '$.sudo_without_password' = 'true'
                THEN ['sudo_without_password'] ELSE [] END
        ))) AS gained
    FROM latest
    WHERE asset_type IN (
        'system_group_users', 'user_system_bindings', 'user_group_system_bindings'
    ) AND (
        change = 'added'
        OR column_name IN ('sudo', 'sudo_without_password') AND new_value = 'true'
    )
    GROUP BY ALL
),
-- What all rows of a group grant together.
granting AS (
    SELECT integration, group_id, NULL AS user_group_id, sudo, sudo_without_password
    FROM main.system_group_users
    UNION ALL
    SELECT integration, NULL, user_group_id, sudo, sudo_without_password
    FROM main.user_group_system_bindings
),
rights AS (
    SELECT integration, group_id, user_group_id, count(*) AS row_count,
        ['access'] || CASE WHEN bool_or(sudo) THEN ['sudo'] ELSE [] END
            || CASE WHEN bool_or(sudo_without_password)
                THEN ['sudo_without_password'] ELSE [] END AS gained
    FROM granting GROUP BY ALL
),
user_group_sizes AS (
    SELECT integration, user_group_id, count(*) AS user_count
    FROM main.user_group_members GROUP BY ALL
),
held AS (
    SELECT integration, split_part(asset_id, '/', 1) AS application_id,
        split_part(asset_id, '/', 2) AS user_id
    FROM latest WHERE asset_type = 'application_users' AND change = 'added'
    UNION
    SELECT c.integration, h.application_id, h.user_id
    FROM latest c
    JOIN main.application_users h
        ON h.integration = c.integration AND h.application_id = c.asset_id
    WHERE c.asset_type = 'applications' AND c.column_name = 'active' AND c.old_value = 'false'
),
administrators AS (
    SELECT integration, asset_id AS user_id,
        bool_or(change = 'added' OR column_name = 'global_admin') AS is_new
    FROM latest
    WHERE asset_type = 'users'
        AND (change = 'added' OR column_name IN ('global_admin', 'passwordless_sudo'))
    GROUP BY ALL
),
gains AS (
    SELECT b.integration, b.target_id AS user_id, b.gained, g.group_id,
        coalesce(g.name, g.group_id) AS through, g.system_count AS reach
    FROM bound b
    JOIN main.system_groups g ON g.integration = b.integration AND g.group_id = b.source_id
    WHERE b.asset_type = 'system_group_users' AND g.system_count > 0
    UNION ALL BY NAME
    SELECT c.integration, split_part(c.asset_id, '/', 2) AS member_id, r.gained, g.group_id,
        coalesce(g.name, g.group_id) AS through, g.user_count AS reach
    FROM latest c
    JOIN main.system_groups g
        ON g.integration = c.integration AND g.group_id = split_part(c.asset_id, '/', 1)
    JOIN rights r ON r.integration = g.integration AND r.group_id = g.group_id
    WHERE c.asset_type = 'system_group_members' AND c.change = 'added'
    UNION ALL BY NAME
    SELECT b.integration, b.source_id AS user_id, b.gained, s.system_id, 1 AS reach,
        coalesce(s.hostname, s.display_name, s.serial_number, s.system_id) AS through
    FROM bound b
    JOIN main.systems s ON s.integration = b.integration AND s.system_id = b.target_id
    WHERE b.asset_type = 'user_system_bindings'
    UNION ALL BY NAME
    SELECT b.integration, b.target_id AS member_id, b.gained, w.user_group_id,
        w.user_group_name AS through, n.user_count AS reach
    FROM bound b
    JOIN main.user_group_system_bindings w ON w.integration = b.integration
        AND w.user_group_id = b.source_id AND w.system_id = b.target_id
    JOIN user_group_sizes n ON n.integration = b.integration AND n.user_group_id = b.source_id
    WHERE b.asset_type = 'user_group_system_bindings'
    UNION ALL BY NAME
    SELECT m.integration, m.user_id, r.gained, m.user_group_id, m.user_group_name AS through,
        r.row_count AS reach
    FROM latest c
    JOIN main.user_group_members m ON m.integration = c.integration
        AND m.user_group_id || '/' || m.user_id = c.asset_id
    JOIN rights r ON r.integration = m.integration AND r.user_group_id = m.user_group_id
    WHERE c.asset_type = 'user_group_members' AND c.change = 'added'
    UNION ALL BY NAME
    SELECT integration, h.user_id, ['access'] AS gained, application_id,
        coalesce(a.display_label, a.display_name, a.name, application_id) AS through
    FROM held h
    JOIN main.applications a USING (integration, application_id)
    WHERE a.active IS NOT FALSE
    UNION ALL BY NAME
    SELECT integration, user_id, 'global administrator' AS through, u.system_count AS reach,
        CASE WHEN a.is_new THEN ['sudo'] ELSE [] END
            || CASE WHEN u.passwordless_sudo THEN ['sudo_without_password'] ELSE [] END AS gained
    FROM administrators a JOIN main.users u USING (integration, user_id)
    WHERE u.global_admin AND (a.is_new OR u.passwordless_sudo) AND u.system_count > 0
)
SELECT g.integration, 'users' AS asset_type, u.user_id AS asset_id,
    coalesce(u.username, u.email, u.user_id) AS asset_name,
    g.gained, g.group_id, g.application_id, g.through, g.reach, g.system_id, g.user_group_id
FROM gains g JOIN main.users u USING (integration, user_id)
UNION ALL
SELECT g.integration, 'systems', s.system_id,
    coalesce(s.hostname, s.display_name, s.serial_number, s.system_id),
    g.gained, g.group_id, g.application_id, g.through, g.reach, g.system_id, g.user_group_id
FROM gains g
JOIN main.systems s ON s.integration = g.integration AND s.system_id = g.member_id
