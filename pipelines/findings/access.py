"""SQL of bindings outside system groups, and of the sudo that users have on devices."""

# Defines direct_ways: each way from a user to a device without a system group. `user_group_name`
# is NULL if the user is bound to the device itself.
DIRECT_WAYS = """direct_ways AS (
    SELECT integration, system_id, user_id, NULL AS user_group_name, sudo
    FROM main.user_system_bindings
    UNION ALL
    SELECT b.integration, b.system_id, m.user_id, b.user_group_name, b.sudo
    FROM main.user_group_system_bindings b
    JOIN main.user_group_members m USING (integration, user_group_id)
)"""
# Defines granted(integration, user_id, sudo_group_ids): the groups with devices on which a user
# has sudo. Defines direct_grants(integration, user_id, sudo_system_ids, sudo_user_groups) likewise
# for bindings outside groups.
SUDO_GRANTS = f"""granted AS (
    SELECT s.integration, s.user_id, list_sort(list(s.group_id)) AS sudo_group_ids
    FROM main.system_group_users s
    JOIN main.system_groups g USING (integration, group_id)
    WHERE s.sudo AND g.system_count > 0
    GROUP BY ALL
),
{DIRECT_WAYS},
direct_grants AS (
    SELECT integration, user_id,
        list_sort(list(DISTINCT system_id) FILTER (user_group_name IS NULL)) AS sudo_system_ids,
        list_sort(list(DISTINCT user_group_name) FILTER (user_group_name IS NOT NULL))
            AS sudo_user_groups
    FROM direct_ways
    WHERE sudo
    GROUP BY ALL
)"""
# Join users `u` with SUDO_GRANTS.
SUDO_USERS = """LEFT JOIN granted s USING (integration, user_id)
LEFT JOIN direct_grants d USING (integration, user_id)
WHERE (u.global_admin OR s.user_id IS NOT NULL OR d.user_id IS NOT NULL)"""
DIRECT_SUDO_EVIDENCE = """'sudo_system_ids', coalesce(d.sudo_system_ids, []),
        'sudo_user_groups', coalesce(d.sudo_user_groups, [])"""
