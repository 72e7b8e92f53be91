/*
title = "Users with sudo on a device and a password that never expires"
severity = "medium"
why = """
A password that leaked years ago still makes its finder root or a local administrator on every
device in the evidence."""
remedy = """
Let the password expire, or remove sudo: from the bindings in the evidence, or from the user if
the user is a global administrator."""

[evidence]
state = "state of the user"
password_date = "last change of the password, UTC; null if unknown"
global_admin = "true if the user has sudo on every device that the user can access"
sudo_group_ids = "system groups with devices on which the user has sudo"
sudo_system_ids = "devices to which the user is bound directly, with sudo"
sudo_user_groups = "names of the user's groups that are bound directly to a device, with sudo"

[needs]
endpoints = ["systemusers"]
fields = [
    "systemgroups_users.compiledAttributes",
    "systemgroups_users.paths",
    "users_associations.attributes",
    "systems_associations.attributes",
    "usergroups_associations.attributes",
    "usergroups.attributes",
    "systemusers.password_never_expires",
    "systemusers.sudo",
]
direct_bindings = true
*/
SELECT u.integration, 'users' AS asset_type, u.user_id AS asset_id,
    coalesce(u.username, u.email, u.user_id) AS asset_name,
    u.state,
    strftime(make_timestamp(epoch_us(u.password_date)), '%Y-%m-%dT%H:%M:%SZ') AS password_date,
    u.global_admin, coalesce(g.sudo_group_ids, []) AS sudo_group_ids,
    coalesce(g.sudo_system_ids, []) AS sudo_system_ids,
    coalesce(g.sudo_user_groups, []) AS sudo_user_groups
FROM main.users u
LEFT JOIN findings.sudo_grants g USING (integration, user_id)
WHERE (u.global_admin OR g.user_id IS NOT NULL) AND u.system_count > 0
    AND u.password_never_expires
