/*
title = "Users without MFA who have sudo on a device"
severity = "high"
why = """
One stolen password is enough to become root or a local administrator on every device in the
evidence. A user with any enrolled factor has MFA: one-time passwords, a security key, push or
another one."""
remedy = """
Require MFA for the user, or remove sudo: from the bindings in the evidence, or from the user if
the user is a global administrator."""

[evidence]
state = "state of the user"
global_admin = "true if the user has sudo on every device that the user can access"
sudo_group_ids = "system groups with devices on which the user has sudo"
mfa_exclusion = "true if the user is exempt from MFA"
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
    "systemusers.mfa",
    "systemusers.mfaEnrollment",
    "systemusers.totp_enabled",
    "systemusers.sudo",
]
direct_bindings = true
*/
SELECT u.integration, 'users' AS asset_type, u.user_id AS asset_id,
    coalesce(u.username, u.email, u.user_id) AS asset_name,
    u.state, u.global_admin, coalesce(g.sudo_group_ids, []) AS sudo_group_ids, u.mfa_exclusion,
    coalesce(g.sudo_system_ids, []) AS sudo_system_ids,
    coalesce(g.sudo_user_groups, []) AS sudo_user_groups
FROM main.users u
LEFT JOIN findings.sudo_grants g USING (integration, user_id)
WHERE (u.global_admin OR g.user_id IS NOT NULL) AND u.system_count > 0
    -- An API that does not send the status of enrollment counts only one-time passwords.
    AND NOT CASE
        WHEN u.mfa_status IS NOT NULL THEN u.mfa_status = 'ENROLLED'
        WHEN u.totp_enabled THEN TRUE
        ELSE u.mfa_configured
    END
