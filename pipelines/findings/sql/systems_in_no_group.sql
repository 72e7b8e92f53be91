/*
title = "Devices that are not in any system group"
severity = "low"
why = """
Policies and commands are assigned through groups, and so is most access. A device outside all
groups is enrolled but hardly managed."""
remedy = """
Add the device to the appropriate groups, or give those groups a membership rule that matches it."""

[evidence]
os = "operating system"
primary_user_id = "primary user"

[needs]
endpoints = ["systems"]
*/
SELECT integration, 'systems' AS asset_type, system_id AS asset_id,
    coalesce(hostname, display_name, serial_number, system_id) AS asset_name,
    os, primary_user_id
FROM main.systems
WHERE len(group_ids) = 0
