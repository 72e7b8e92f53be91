/*
title = "Devices on which a direct binding grants sudo, outside system groups"
severity = "medium"
why = """
Reviews of groups do not show such an exception. It was often meant for a day, and it stays when
the person changes teams."""
remedy = """
Grant sudo through a system group, and remove the binding of the user or user group to the
device. Keep exceptions only where somebody owns them."""

[evidence]
users = "users who are bound to the device with sudo, as id and name"
user_groups = "user groups that are bound to it with sudo, as id and name"
sudo_without_password = "true if one of these bindings requires no password"

[needs]
endpoints = [
    "systems",
    "systemusers",
    "usergroups",
    "users_associations",
    "usergroups_associations",
]
fields = [
    "users_associations.attributes",
    "systems_associations.attributes",
    "usergroups_associations.attributes",
    "usergroups.attributes",
]
direct_bindings = true
*/
WITH exceptions AS (
    SELECT b.integration, b.system_id, b.user_id AS id, TRUE AS is_user,
        coalesce(u.username, u.email, b.user_id) AS name, b.sudo_without_password
    FROM main.user_system_bindings b LEFT JOIN main.users u USING (integration, user_id)
    WHERE b.sudo
    UNION ALL
    SELECT integration, system_id, user_group_id, FALSE, user_group_name, sudo_without_password
    FROM main.user_group_system_bindings WHERE sudo
),
bound_systems AS (
    SELECT integration, system_id,
        list({'id': id, 'name': name} ORDER BY id) FILTER (is_user) AS users,
        list({'id': id, 'name': name} ORDER BY id) FILTER (NOT is_user) AS user_groups,
        bool_or(sudo_without_password IS TRUE) AS sudo_without_password
    FROM exceptions GROUP BY ALL
)
SELECT integration, 'systems' AS asset_type, system_id AS asset_id,
    coalesce(s.hostname, s.display_name, s.serial_number, system_id) AS asset_name,
    coalesce(b.users, []) AS users, coalesce(b.user_groups, []) AS user_groups,
    b.sudo_without_password
FROM bound_systems b JOIN main.systems s USING (integration, system_id)
