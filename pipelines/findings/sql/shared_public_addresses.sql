/*
title = "Devices that share a public address with only a few other devices"
severity = "low"
why = """
An office has many devices behind one address, and a person has one. A few devices together are a
household, an unlisted branch office, or a device that was passed on."""
remedy = "Compare the devices' primary users. If they are unrelated, ask who uses the device."

[evidence]
public_ip = "the public address"
system_ids = "all devices seen at that address"

[needs]
endpoints = ["systems"]
fields = ["systems.remoteIP"]
*/
WITH shared AS (
    SELECT integration, public_ip, list_sort(list(system_id)) AS system_ids
    FROM main.systems JOIN findings.thresholds t USING (integration)
    WHERE public_ip IS NOT NULL
    GROUP BY integration, public_ip, t.few_devices
    HAVING count(*) BETWEEN 2 AND t.few_devices
)
SELECT integration, 'systems' AS asset_type, s.system_id AS asset_id,
    coalesce(s.hostname, s.display_name, s.serial_number, s.system_id) AS asset_name,
    public_ip, system_ids
FROM main.systems s JOIN shared USING (integration, public_ip)
