/*
title = "Private addresses that many devices have on their interfaces"
severity = "low"
why = """
An address that many devices have does not identify any of them. It is the default of a container
bridge, a VPN or a home router, or part of a cloned network."""
remedy = """
Ignore the address when you match logs or scanner results. If the devices are in the same
network, look for copies of a machine image or an address conflict."""

[evidence]
system_count = "number of devices that have the address"
interfaces = "names of the interfaces that have the address"

[needs]
endpoints = ["systems"]
fields = ["systems.networkInterfaces"]
*/
SELECT integration, 'ipv4_addresses' AS asset_type, address AS asset_id, address AS asset_name,
    system_count, interfaces
FROM main.ipv4_addresses
JOIN findings.thresholds t USING (integration)
WHERE scope = 'private' AND system_count >= t.many_devices
