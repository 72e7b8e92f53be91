"""Findings about IP addresses that several devices share."""

from pipelines.findings.model import Finding, last_start
from pipelines.schema.assets import SYSTEMS

SHARED_PRIVATE_ADDRESSES = Finding(
    name="shared_private_addresses",
    title="Private addresses that many devices have on their interfaces",
    severity="low",
    asset_type="ipv4_addresses",
    why="An address that many devices have does not identify any of them. It is the default of a "
    "container bridge, a VPN or a home router, or part of a cloned network.",
    remedy="Ignore the address when you match logs or scanner results. If the devices are in the "
    "same network, look for copies of a machine image or an address conflict.",
    evidence={
        "system_count": "number of devices that have the address",
        "interfaces": "names of the interfaces that have the address",
    },
    since="When the address was first seen on `many_devices` devices, after fewer had it",
    required_endpoints=("systems",),
    sql="""
WITH started AS (
    SELECT c.integration, c.asset_id AS address, max(c.observed_at) AS started_at
    FROM main.changes c JOIN findings.thresholds t USING (integration)
    WHERE c.asset_type = 'ipv4_addresses' AND (
        c.change = 'added'
        OR c.column_name = 'system_count' AND c.old_value::BIGINT < t.many_devices
            AND c.new_value::BIGINT >= t.many_devices
    )
    GROUP BY ALL
)
SELECT a.integration, 'ipv4_addresses' AS asset_type, a.address AS asset_id,
    a.address AS asset_name,
    json_object('system_count', a.system_count, 'interfaces', a.interfaces) AS evidence,
    greatest(a.first_seen_at, s.started_at) AS since
FROM main.ipv4_addresses a
JOIN findings.thresholds t USING (integration)
LEFT JOIN started s USING (integration, address)
WHERE a.scope = 'private' AND a.system_count >= t.many_devices
""",
)

SHARED_PUBLIC_ADDRESSES = Finding(
    name="shared_public_addresses",
    title="Devices that share a public address with only a few other devices",
    severity="low",
    asset_type="systems",
    why="An office has many devices behind one address, and a person has one. A few devices "
    "together are a household, an unlisted branch office, or a device that was passed on.",
    remedy="Compare the devices' primary users. If they are unrelated, ask who uses the device.",
    evidence={"public_ip": "the public address", "system_ids": "all devices seen at that address"},
    since="When a second one of the devices now at the address was first seen there",
    required_endpoints=("systems",),
    sql=f"""
WITH {last_start("started", "systems", "column_name = 'public_ip'")},
shared AS (
    SELECT integration, public_ip
    FROM main.systems JOIN findings.thresholds t USING (integration)
    WHERE public_ip IS NOT NULL
    GROUP BY integration, public_ip, t.few_devices
    HAVING count(*) BETWEEN 2 AND t.few_devices
),
placed AS (
    SELECT s.integration, s.public_ip, s.system_id, {SYSTEMS.display_name("s")} AS asset_name,
        greatest(s.first_seen_at, b.started_at) AS placed_at
    FROM main.systems s JOIN shared USING (integration, public_ip)
    LEFT JOIN started b USING (integration, system_id)
),
places AS (
    SELECT integration, public_ip, list_sort(list(system_id)) AS system_ids,
        list_sort(list(placed_at))[2] AS since
    FROM placed GROUP BY integration, public_ip
)
SELECT integration, 'systems' AS asset_type, system_id AS asset_id, asset_name,
    json_object('public_ip', public_ip, 'system_ids', system_ids) AS evidence, since
FROM placed JOIN places USING (integration, public_ip)
""",
)

ADDRESS_FINDINGS = (SHARED_PRIVATE_ADDRESSES, SHARED_PUBLIC_ADDRESSES)
