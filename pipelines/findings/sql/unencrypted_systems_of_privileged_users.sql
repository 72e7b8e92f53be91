/*
title = "Devices without disk encryption that privileged users use"
severity = "high"
why = """
Anyone who finds or steals the device can read its disk, including the keys, sessions and
passwords of a user with sudo. If the primary user is known, only this user counts, and must be a
global administrator or have sudo on this device. Otherwise, every user counts who has sudo on
the device, through a group or a binding to the device itself."""
remedy = """
Enable FileVault, BitLocker or LUKS with a policy on the device's groups. Until then, replace the
primary user's keys if the device is lost."""

[evidence]
primary_user_id = "primary user, if known: a global administrator or a user with sudo on the device"
sudo_group_ids = "groups of the device through which a user has sudo on it"
sudo_users = "names of the users with sudo who are bound to the device itself"
sudo_user_groups = """
names of the user groups that are bound to the device itself and through which a user has sudo on
it"""

[needs]
endpoints = ["systems"]
fields = [
    "systemgroups_users.compiledAttributes",
    "systemgroups_users.paths",
    "users_associations.attributes",
    "systems_associations.attributes",
    "usergroups_associations.attributes",
    "usergroups.attributes",
    "systems.fde",
    "systems.primarySystemUser",
    "systemusers.sudo",
]
direct_bindings = true
*/
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
-- Each way from a user to a device without a system group.
direct_ways AS (
    SELECT integration, system_id, user_id, NULL AS user_group_name, sudo
    FROM main.user_system_bindings
    UNION ALL
    SELECT b.integration, b.system_id, m.user_id, b.user_group_name, b.sudo
    FROM main.user_group_system_bindings b
    JOIN main.user_group_members m USING (integration, user_group_id)
),
ways AS (
    SELECT s.integration, s.system_id, g.user_id, g.group_id, NULL AS username,
        NULL AS user_group_name
    FROM (SELECT *, unnest(group_ids) AS group_id FROM unencrypted) s
    JOIN granted g USING (integration, group_id)
    UNION ALL
    SELECT s.integration, s.system_id, u.user_id, NULL,
        CASE WHEN d.user_group_name IS NULL THEN coalesce(u.username, u.email, u.user_id) END,
        d.user_group_name
    FROM unencrypted s
    JOIN direct_ways d USING (integration, system_id)
    JOIN main.users u ON u.integration = d.integration AND u.user_id = d.user_id
    WHERE d.sudo OR u.global_admin
),
sudo AS (
    SELECT w.integration, w.system_id,
        list_sort(list(DISTINCT w.group_id) FILTER (w.group_id IS NOT NULL)) AS sudo_group_ids,
        list_sort(list(DISTINCT w.username) FILTER (w.username IS NOT NULL)) AS sudo_users,
        list_sort(list(DISTINCT w.user_group_name) FILTER (w.user_group_name IS NOT NULL))
            AS sudo_user_groups,
        bool_or(w.user_id = s.primary_user_id) AS of_primary_user
    FROM ways w JOIN unencrypted s USING (integration, system_id)
    GROUP BY ALL
)
SELECT u.integration, 'systems' AS asset_type, u.system_id AS asset_id,
    coalesce(u.hostname, u.display_name, u.serial_number, u.system_id) AS asset_name,
    CASE WHEN u.has_primary_user THEN u.primary_user_id END AS primary_user_id,
    coalesce(a.sudo_group_ids, []) AS sudo_group_ids,
    coalesce(a.sudo_users, []) AS sudo_users,
    coalesce(a.sudo_user_groups, []) AS sudo_user_groups
FROM unencrypted u LEFT JOIN sudo a USING (integration, system_id)
WHERE CASE WHEN u.has_primary_user THEN u.global_admin OR a.of_primary_user
    ELSE a.system_id IS NOT NULL END
