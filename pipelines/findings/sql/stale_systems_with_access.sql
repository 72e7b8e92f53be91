/*
title = "Devices without recent contact that users can still access"
severity = "medium"
why = """
A device that is off, lost or no longer managed does not receive policies or revocations, but its
local accounts still work."""
remedy = """
Find the device. Delete it in JumpCloud if it no longer exists; otherwise repair its agent. A
device that is connected now is not reported, however old its last recorded contact. One that is
not connected and has never checked in counts from its enrollment."""

[evidence]
days_without_contact = """
whole days from the last contact, or without any from the enrollment, to the start of the pull"""
last_contact_at = "time of the last contact, UTC; null if it has never checked in"
user_count = "number of users bound to the device in any way"

[needs]
endpoints = ["systems"]
fields = ["systems.active", "systems.created", "systems.lastContact"]
direct_bindings = true
*/
WITH ages AS (
    SELECT s.*, coalesce(s.last_contact_at, s.created_at) AS last_at,
        -- In microseconds, because the days of an interval depend on the reader's time zone.
        epoch_us(n.started_at) - epoch_us(last_at) AS age,
        86_400_000_000 AS day, t.stale_days
    FROM main.systems s
    JOIN main.integrations i USING (integration)
    JOIN main.snapshots n
        ON n.integration = i.integration AND n.snapshot_id = i.last_snapshot_id
    JOIN findings.thresholds t ON t.integration = i.integration
    -- Whether a device without a contact is connected may be unknown, too.
    WHERE s.user_count > 0 AND s.active IS NOT TRUE
        AND (s.last_contact_at IS NOT NULL OR s.active = FALSE)
)
SELECT integration, 'systems' AS asset_type, system_id AS asset_id,
    coalesce(hostname, display_name, serial_number, system_id) AS asset_name,
    age // day AS days_without_contact,
    strftime(make_timestamp(epoch_us(last_contact_at)), '%Y-%m-%dT%H:%M:%SZ') AS last_contact_at,
    user_count
FROM ages
WHERE age > stale_days * day
