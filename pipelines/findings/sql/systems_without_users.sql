/*
title = "Devices that no user can access and that have no primary user"
severity = "low"
why = "Nobody patches a device without an owner, and nobody notices when it disappears."
remedy = """
Bind the responsible user or team to one of the device's groups. Retire the device if nobody
claims it."""

[evidence]
group_ids = "system groups of the device"

[needs]
endpoints = ["systems"]
fields = ["systems.primarySystemUser"]
direct_bindings = true
*/
SELECT integration, 'systems' AS asset_type, system_id AS asset_id,
    coalesce(hostname, display_name, serial_number, system_id) AS asset_name,
    group_ids
FROM main.systems
WHERE resolved AND user_count = 0 AND primary_user_id IS NULL
