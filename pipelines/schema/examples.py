"""One example query for each table, which the data dictionary and Dagster's UI show."""

from pipelines.schema.model import Table

_EXAMPLES = {
    "systems": """
SELECT hostname, os, user_count, last_contact_at FROM systems
WHERE disk_encrypted = FALSE ORDER BY user_count DESC""",
    "users": """
SELECT username, department, system_count, application_count FROM users
WHERE suspended AND system_count > 0 ORDER BY system_count DESC""",
    "applications": """
SELECT display_label, user_count, idp_certificate_expires_at FROM applications
WHERE active ORDER BY idp_certificate_expires_at""",
    "ipv4_addresses": """
SELECT address, scope, system_count FROM ipv4_addresses
WHERE system_count > 1 ORDER BY system_count DESC""",
    "system_groups": """
SELECT name, system_count, user_count FROM system_groups ORDER BY user_count DESC""",
    "user_groups": """
SELECT name, membership_method, user_count FROM user_groups ORDER BY user_count DESC""",
    "policies": """
SELECT os_family, count(*) AS policies FROM policies GROUP BY os_family ORDER BY policies DESC""",
    "policy_groups": """
SELECT name, description FROM policy_groups ORDER BY name""",
    "commands": """
SELECT name, command_type, launch_type FROM commands WHERE sudo ORDER BY name""",
    "radius_servers": """
SELECT name, network_source_ip FROM radius_servers ORDER BY name""",
    "system_group_members": """
SELECT g.name, s.hostname FROM system_group_members
JOIN system_groups g USING (integration, group_id)
JOIN systems s USING (integration, system_id) ORDER BY ALL""",
    "system_group_users": """
SELECT g.name, u.username, b.direct, b.via_user_group_names FROM system_group_users b
JOIN system_groups g USING (integration, group_id)
JOIN users u USING (integration, user_id) WHERE b.sudo ORDER BY ALL""",
    "system_group_associations": """
SELECT g.name, a.target_type, a.target_name FROM system_group_associations a
JOIN system_groups g USING (integration, group_id) ORDER BY ALL""",
    "application_users": """
SELECT a.display_label, u.username, b.via_user_group_names FROM application_users b
JOIN applications a USING (integration, application_id)
JOIN users u USING (integration, user_id) ORDER BY ALL""",
    "system_ipv4_addresses": """
SELECT s.hostname, a.interface, a.address FROM system_ipv4_addresses a
JOIN systems s USING (integration, system_id) ORDER BY ALL""",
    "system_ip_addresses": """
SELECT s.hostname, a.address FROM system_ip_addresses a
JOIN systems s USING (integration, system_id) WHERE a.family = 6 ORDER BY ALL""",
    "system_local_accounts": """
SELECT s.hostname, a.username FROM system_local_accounts a
JOIN systems s USING (integration, system_id) WHERE a.admin AND NOT a.managed ORDER BY ALL""",
    "user_group_members": """
SELECT m.user_group_name, u.username FROM user_group_members m
JOIN users u USING (integration, user_id) ORDER BY ALL""",
    "user_system_bindings": """
SELECT u.username, s.hostname, b.sudo FROM user_system_bindings b
JOIN users u USING (integration, user_id)
JOIN systems s USING (integration, system_id) ORDER BY ALL""",
    "user_group_system_bindings": """
SELECT b.user_group_name, s.hostname, b.sudo FROM user_group_system_bindings b
JOIN systems s USING (integration, system_id) ORDER BY ALL""",
    "access_differences": """
SELECT user_name, system_name, witness, explanation FROM access_differences ORDER BY ALL""",
    "custom_attributes": """
SELECT asset_type, asset_id, value FROM custom_attributes WHERE name = 'cost_center'""",
    "integrations": """
SELECT integration, last_success_at, systems, users FROM integrations ORDER BY last_success_at""",
    "snapshots": """
SELECT integration, snapshot_id, api_calls, finished_at - started_at AS duration
FROM snapshots ORDER BY started_at DESC""",
    "changes": """
SELECT observed_at, asset_type, asset_id, column_name, old_value, new_value FROM changes
WHERE change = 'changed' ORDER BY observed_at DESC""",
    "finding_history": """
SELECT finding, asset_name, opened_at, closed_at FROM finding_history
WHERE closed_at IS NOT NULL ORDER BY closed_at DESC""",
    "completeness": """
SELECT endpoint, count(*) AS lists, sum(received) AS records, sum(holes) AS holes
FROM completeness GROUP BY endpoint ORDER BY endpoint""",
    "reviews": """
SELECT review_id, reviewed_by, decided, items, removed, to_remove, returned FROM reviews
ORDER BY review_id DESC""",
    "review_items": """
SELECT review_id, reviewer, username, target_name, decided_at FROM review_items
WHERE decision = 'remove' AND removed_before IS NULL ORDER BY decided_at""",
}


def example_query(table: Table) -> str:
    """Return an example of a query of a table of the published file."""
    return _EXAMPLES[table.name].strip()
