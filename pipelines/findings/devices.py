"""Findings about devices that are unsafe, forgotten or without an owner, and their addresses."""

from pipelines.findings.model import Finding, select_assets
from pipelines.schema.assets import SYSTEMS
from pipelines.sql import quoted

STALE_SYSTEMS_WITH_ACCESS = Finding(
    name="stale_systems_with_access",
    title="Devices without recent contact that users can still access",
    severity="medium",
    asset_type="systems",
    why="A device that is off, lost or no longer managed does not receive policies or revocations, "
    "but its local accounts still work.",
    remedy="Find the device. Delete it in JumpCloud if it no longer exists; otherwise repair its "
    "agent. A device that is connected now is not reported, however old its last recorded contact. "
    "One that is not connected and has never checked in counts from its enrollment.",
    evidence={
        "days_without_contact": "whole days from the last contact, or without any from the "
        "enrollment, to the start of the pull",
        "last_contact_at": "time of the last contact, UTC; null if it has never checked in",
        "user_count": "number of users bound to the device in any way",
    },
    required_endpoints=("systems",),
    uses_direct_bindings=True,
    sql=f"""
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
SELECT a.integration, 'systems' AS asset_type, a.system_id AS asset_id,
    {SYSTEMS.display_name("a")} AS asset_name,
    json_object('days_without_contact', a.age // a.day,
        'last_contact_at',
        strftime(make_timestamp(epoch_us(a.last_contact_at)), '%Y-%m-%dT%H:%M:%SZ'),
        'user_count', a.user_count) AS evidence
FROM ages a
WHERE a.age > a.stale_days * a.day
""",
)

SYSTEMS_WITHOUT_USERS = Finding(
    name="systems_without_users",
    title="Devices that no user can access and that have no primary user",
    severity="low",
    asset_type="systems",
    why="Nobody patches a device without an owner, and nobody notices when it disappears.",
    remedy="Bind the responsible user or team to one of the device's groups. Retire the device if "
    "nobody claims it.",
    evidence={"group_ids": "system groups of the device"},
    required_endpoints=("systems",),
    uses_direct_bindings=True,
    sql=select_assets(
        "systems",
        ("group_ids",),
        "resolved AND user_count = 0 AND primary_user_id IS NULL",
    ),
)

SYSTEMS_IN_NO_GROUP = Finding(
    name="systems_in_no_group",
    title="Devices that are not in any system group",
    severity="low",
    asset_type="systems",
    why="Policies and commands are assigned through groups, and so is most access. A device "
    "outside all groups is enrolled but hardly managed.",
    remedy="Add the device to the appropriate groups, or give those groups a membership rule that "
    "matches it.",
    evidence={"os": "operating system", "primary_user_id": "primary user"},
    required_endpoints=("systems",),
    sql=select_assets(
        "systems",
        ("os", "primary_user_id"),
        "len(group_ids) = 0",
    ),
)

SYSTEMS_WITH_FAILING_POLICIES = Finding(
    name="systems_with_failing_policies",
    title="Devices on which a policy fails",
    severity="medium",
    asset_type="systems",
    why="A failing policy does not protect the device, although it is assigned to the device.",
    remedy="Open the device's policies in JumpCloud. Each failed policy shows the agent's message.",
    evidence={
        "policies_failed": "number of policies that fail on the device",
        "policies_total": "number of policies bound to the device",
    },
    required_endpoints=("systems",),
    sql=select_assets(
        "systems",
        ("policies_failed", "policies_total"),
        "policies_failed > 0",
    ),
)

# Texts that manufacturers leave in place of a serial number, without spaces around, in upper case.
_NO_SERIAL_NUMBERS = (
    "0123456789",
    "123456",
    "1234567",
    "12345678",
    "123456789",
    "1234567890",
    "BASE BOARD SERIAL NUMBER",
    "CHASSIS SERIAL NUMBER",
    "DEFAULT STRING",
    "EMPTY",
    "INVALID",
    "N/A",
    "NA",
    "NONE",
    "NOT APPLICABLE",
    "NOT AVAILABLE",
    "NOT SPECIFIED",
    "NULL",
    "O.E.M.",
    "OEM",
    "SERIAL NUMBER",
    "SYSTEM SERIAL NUMBER",
    "TO BE FILLED BY O.E.M",
    "TO BE FILLED BY O.E.M.",
    "TO BE FILLED BY OEM",
    "UNKNOWN",
)

SYSTEMS_WITH_SAME_SERIAL_NUMBER = Finding(
    name="systems_with_same_serial_number",
    title="Devices that have the same serial number as another one",
    severity="low",
    asset_type="systems",
    why="A machine that was wiped and enrolled again has a new record and its old serial number. "
    "It counts twice, and the old record keeps its users.",
    remedy="Delete the record that no longer checks in. If both do, one of them is a copy of a "
    "virtual machine: give it a number of its own. Letter case and spaces around do not matter. "
    "Placeholders such as `To be filled by O.E.M.` are not reported.",
    evidence={
        "serial_number": "serial number of the device",
        "system_ids": "all devices that have it",
    },
    required_endpoints=("systems",),
    sql=f"""
WITH numbered AS (
    SELECT s.*, upper(trim(s.serial_number)) AS number
    FROM main.systems s
    WHERE upper(trim(s.serial_number)) NOT IN ({", ".join(map(quoted, _NO_SERIAL_NUMBERS))})
        -- One character repeated, such as 0000000, is a placeholder, too.
        AND replace(trim(s.serial_number), left(trim(s.serial_number), 1), '') <> ''
),
shared AS (
    SELECT integration, number, list_sort(list(system_id)) AS system_ids
    FROM numbered GROUP BY integration, number
    HAVING count(*) > 1
)
SELECT n.integration, 'systems' AS asset_type, n.system_id AS asset_id,
    {SYSTEMS.display_name("n")} AS asset_name,
    json_object('serial_number', n.serial_number, 'system_ids', s.system_ids) AS evidence
FROM numbered n JOIN shared s USING (integration, number)
""",
)

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
    required_endpoints=("systems",),
    sql="""
SELECT a.integration, 'ipv4_addresses' AS asset_type, a.address AS asset_id,
    a.address AS asset_name,
    json_object('system_count', a.system_count, 'interfaces', a.interfaces) AS evidence
FROM main.ipv4_addresses a
JOIN findings.thresholds t USING (integration)
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
    required_endpoints=("systems",),
    sql=f"""
WITH shared AS (
    SELECT integration, public_ip, list_sort(list(system_id)) AS system_ids
    FROM main.systems JOIN findings.thresholds t USING (integration)
    WHERE public_ip IS NOT NULL
    GROUP BY integration, public_ip, t.few_devices
    HAVING count(*) BETWEEN 2 AND t.few_devices
)
SELECT integration, 'systems' AS asset_type, s.system_id AS asset_id,
    {SYSTEMS.display_name("s")} AS asset_name,
    json_object('public_ip', public_ip, 'system_ids', system_ids) AS evidence
FROM main.systems s JOIN shared USING (integration, public_ip)
""",
)

DEVICE_FINDINGS = (
    STALE_SYSTEMS_WITH_ACCESS,
    SYSTEMS_WITHOUT_USERS,
    SYSTEMS_IN_NO_GROUP,
    SYSTEMS_WITH_FAILING_POLICIES,
    SYSTEMS_WITH_SAME_SERIAL_NUMBER,
)
ADDRESS_FINDINGS = (SHARED_PRIVATE_ADDRESSES, SHARED_PUBLIC_ADDRESSES)
