/*
title = "Devices and users that a group, application or binding refers to but no list contains"
severity = "medium"
why = """
Either a device or user was deleted while its bindings remained, or the API key may not read it.
In the latter case, the inventory is incomplete."""
remedy = """
Look up the id in JumpCloud. Remove the bindings of deleted devices and users. Allow the role of
the API key to read the others."""

[evidence]
group_ids = "system groups that refer to the id"
application_count = "for a user: number of applications that refer to the id; null for a device"
users = "for a device: names of the users who are bound to it without any group"
systems = "for a user: names of the devices that the user is bound to without any group"
user_groups = "names of the user groups that contain the user, or are bound to the device"

[needs]
endpoints = ["systems", "systemusers", "applications", "applications_users"]
targets = ["user"]
direct_bindings = true
*/
-- Without the list of records, an id is unknown rather than unresolved.
WITH unresolved AS (
    SELECT integration, 'systems' AS asset_type, system_id AS asset_id, group_ids,
        NULL AS application_count
    FROM main.systems
    WHERE NOT resolved
        AND integration IN (SELECT integration FROM main.completeness WHERE endpoint = 'systems')
    UNION ALL
    SELECT integration, 'users', user_id, system_group_ids, application_count
    FROM main.users
    WHERE NOT resolved AND integration IN (
        SELECT integration FROM main.completeness WHERE endpoint = 'systemusers'
    )
),
edges AS (
    SELECT b.integration, 'systems' AS asset_type, b.system_id AS asset_id,
        coalesce(u.username, u.email, u.user_id) AS user_name
    FROM main.user_system_bindings b JOIN main.users u USING (integration, user_id)
    UNION ALL BY NAME
    SELECT b.integration, 'users' AS asset_type, b.user_id AS asset_id,
        coalesce(s.hostname, s.display_name, s.serial_number, s.system_id) AS system_name
    FROM main.user_system_bindings b JOIN main.systems s USING (integration, system_id)
    UNION ALL BY NAME
    SELECT integration, 'systems' AS asset_type, system_id AS asset_id, user_group_name
    FROM main.user_group_system_bindings
    UNION ALL BY NAME
    SELECT integration, 'users' AS asset_type, user_id AS asset_id, user_group_name
    FROM main.user_group_members
),
named AS (
    SELECT integration, asset_type, asset_id,
        list_sort(list(DISTINCT user_name) FILTER (user_name IS NOT NULL)) AS users,
        list_sort(list(DISTINCT system_name) FILTER (system_name IS NOT NULL)) AS systems,
        list_sort(list(DISTINCT user_group_name) FILTER (user_group_name IS NOT NULL))
            AS user_groups
    FROM edges SEMI JOIN unresolved USING (integration, asset_type, asset_id)
    GROUP BY ALL
)
SELECT u.integration, u.asset_type, u.asset_id, u.asset_id AS asset_name,
    u.group_ids, u.application_count, coalesce(n.users, []) AS users,
    coalesce(n.systems, []) AS systems, coalesce(n.user_groups, []) AS user_groups
FROM unresolved u
LEFT JOIN named n USING (integration, asset_type, asset_id)
