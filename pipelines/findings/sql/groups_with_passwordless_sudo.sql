/*
title = "System groups that grant sudo without a password"
severity = "high"
why = """
An attacker who takes over a session of one of these users becomes root on every device of the
group."""
remedy = """
Require a password in the group's binding to the user or user group. Allow exceptions only for
service accounts that cannot enter one. The setting of a global administrator does not belong to
a group: see `users.passwordless_sudo`."""

[evidence]
system_count = "number of devices in the group"
user_count = "number of users who have sudo without a password through the group"
targets = """
bindings that grant it, as type, id and name; empty if only the list of the group's users reports
it"""

[needs]
fields = [
    "systemgroups_users.compiledAttributes",
    "systemgroups_users.paths",
    "systemgroups_associations.attributes",
]
targets = ["user", "user_group"]
*/
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
        list({'type': target_type, 'id': target_id, 'name': target_name}
            ORDER BY target_type, target_id) FILTER (target_id IS NOT NULL) AS targets
    FROM grants GROUP BY ALL
)
SELECT s.integration, 'system_groups' AS asset_type, s.group_id AS asset_id,
    coalesce(s.name, s.group_id) AS asset_name,
    s.system_count, g.user_count, coalesce(g.targets, []) AS targets
FROM granting g JOIN main.system_groups s USING (integration, group_id)
