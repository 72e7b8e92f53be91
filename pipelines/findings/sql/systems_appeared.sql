/*
title = "Devices that are new in the latest snapshot"
severity = "low"
why = "A device that nobody ordered may be a private device, or belong to an attacker."
remedy = "Compare the device with your orders and enrollments. Ask the primary user."

[evidence]
os = "operating system"
primary_user_id = "primary user"
group_ids = "system groups of the device"
is_back = "true if an earlier snapshot contained the device"

[needs]
endpoints = ["systems"]
previous_snapshot = true
*/
WITH latest AS (
    SELECT c.* FROM main.changes c
    JOIN main.integrations i
        ON i.integration = c.integration AND i.last_snapshot_id = c.snapshot_id
)
SELECT s.integration, 'systems' AS asset_type, s.system_id AS asset_id,
    coalesce(s.hostname, s.display_name, s.serial_number, s.system_id) AS asset_name,
    s.os, s.primary_user_id, s.group_ids, s.first_seen_at < c.observed_at AS is_back
FROM latest c
JOIN main.systems s ON s.integration = c.integration AND s.system_id = c.asset_id
WHERE c.asset_type = 'systems' AND c.change = 'added'
