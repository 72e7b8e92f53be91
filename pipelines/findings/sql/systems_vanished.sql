/*
title = "Devices that are missing from the latest snapshot"
severity = "medium"
why = """
A removed device no longer receives policies, but its disk and its local accounts still exist."""
remedy = "Find out who removed the device. Wipe it if it was retired; otherwise enroll it again."

[evidence]
os = "operating system"
serial_number = "serial number of the hardware"
primary_user_id = "primary user"
user_count = "number of users who were bound to the device in any way"

[needs]
endpoints = ["systems"]
previous_snapshot = true
*/
WITH latest AS (
    SELECT c.* FROM main.changes c
    JOIN main.integrations i
        ON i.integration = c.integration AND i.last_snapshot_id = c.snapshot_id
)
SELECT integration, asset_type, asset_id,
    coalesce(
        old_value ->> '$.hostname', old_value ->> '$.display_name',
        old_value ->> '$.serial_number', asset_id
    ) AS asset_name,
    old_value ->> '$.os' AS os, old_value ->> '$.serial_number' AS serial_number,
    old_value ->> '$.primary_user_id' AS primary_user_id,
    (old_value ->> '$.user_count')::BIGINT AS user_count
FROM latest
WHERE asset_type = 'systems' AND change = 'removed'
