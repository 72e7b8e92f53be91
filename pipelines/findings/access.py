"""SQL of bindings outside system groups, and of the sudo that users have on devices."""

from pipelines.findings.model import last_change, last_start


def _changes(alias: str, asset_type: str, asset_id: str) -> str:
    """Return a join with the changes of a row of a relationship table; `b` is its alias."""
    return (
        f"LEFT JOIN binding_changes {alias} ON {alias}.integration = b.integration "
        f"AND {alias}.asset_type = '{asset_type}' AND {alias}.asset_id = {asset_id}"
    )


# Defines binding_changes(integration, asset_type, asset_id, bound_at, sudo_at).
BINDING_CHANGES = """binding_changes AS (
    SELECT integration, asset_type, asset_id,
        max(observed_at) FILTER (change = 'added') AS bound_at,
        max(observed_at) FILTER (column_name = 'sudo' AND new_value = 'true') AS sudo_at
    FROM main.changes
    WHERE asset_type IN ('user_system_bindings', 'user_group_system_bindings', 'user_group_members')
    GROUP BY ALL
)"""
# Defines direct_ways: each way from a user to a device without a system group. `user_group_name`
# is NULL if the user is bound to the device itself.
DIRECT_WAYS = f"""{BINDING_CHANGES},
direct_ways AS (
    SELECT b.integration, b.system_id, b.user_id, NULL AS user_group_name, b.sudo,
        c.bound_at, c.sudo_at
    FROM main.user_system_bindings b
    {_changes("c", "user_system_bindings", "b.user_id || '/' || b.system_id")}
    UNION ALL
    SELECT b.integration, b.system_id, m.user_id, b.user_group_name, b.sudo,
        greatest(c.bound_at, j.bound_at), c.sudo_at
    FROM main.user_group_system_bindings b
    JOIN main.user_group_members m USING (integration, user_group_id)
    {_changes("c", "user_group_system_bindings", "b.user_group_id || '/' || b.system_id")}
    {_changes("j", "user_group_members", "b.user_group_id || '/' || m.user_id")}
)"""
# Defines granted(integration, user_id, sudo_group_ids, granted_at): the groups with devices on
# which a user has sudo, and the start of the earliest one. Defines direct_grants(integration,
# user_id, sudo_system_ids, sudo_user_groups, direct_at) likewise for bindings outside groups.
SUDO_GRANTS = f"""{
    last_start("bound", "system_group_users", "column_name = 'sudo' AND new_value = 'true'")
},
{last_change("filled", "system_groups", "column_name = 'system_count' AND old_value = '0'")},
granted AS (
    SELECT s.integration, s.user_id, list_sort(list(s.group_id)) AS sudo_group_ids,
        min(greatest(g.first_seen_at, b.bound_at, f.filled_at)) AS granted_at
    FROM main.system_group_users s
    JOIN main.system_groups g USING (integration, group_id)
    LEFT JOIN filled f USING (integration, group_id)
    LEFT JOIN bound b
        ON b.integration = s.integration AND b.asset_id = s.group_id || '/' || s.user_id
    WHERE s.sudo AND g.system_count > 0
    GROUP BY ALL
),
{DIRECT_WAYS},
direct_grants AS (
    SELECT d.integration, d.user_id,
        list_sort(list(DISTINCT d.system_id) FILTER (d.user_group_name IS NULL))
            AS sudo_system_ids,
        list_sort(list(DISTINCT d.user_group_name) FILTER (d.user_group_name IS NOT NULL))
            AS sudo_user_groups,
        min(greatest(u.first_seen_at, d.bound_at, d.sudo_at)) AS direct_at
    FROM direct_ways d JOIN main.users u USING (integration, user_id)
    WHERE d.sudo
    GROUP BY ALL
)"""
# Join users `u` with SUDO_GRANTS. `u.known_at` and `u.admin_at` are times.
SUDO_USERS = """LEFT JOIN granted s USING (integration, user_id)
LEFT JOIN direct_grants d USING (integration, user_id)
WHERE u.global_admin OR s.user_id IS NOT NULL OR d.user_id IS NOT NULL"""
SUDO_SINCE = """least(
            CASE WHEN u.global_admin THEN coalesce(u.admin_at, u.known_at) END, s.granted_at,
            d.direct_at
        )"""
DIRECT_SUDO_EVIDENCE = """'sudo_system_ids', coalesce(d.sudo_system_ids, []),
        'sudo_user_groups', coalesce(d.sudo_user_groups, [])"""
