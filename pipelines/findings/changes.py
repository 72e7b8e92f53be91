"""Findings about changes since the previous snapshot, and about unresolved ids."""

from pipelines.findings.model import Finding
from pipelines.schema.assets import APPLICATIONS, SYSTEM_GROUPS, SYSTEMS, USERS

# The changes between the previous and the latest snapshot; empty if there is only one snapshot.
_LATEST = """
latest AS (
    SELECT c.* FROM main.changes c
    JOIN main.integrations i
        ON i.integration = c.integration AND i.last_snapshot_id = c.snapshot_id
)
"""

SYSTEMS_APPEARED = Finding(
    name="systems_appeared",
    title="Devices that are new in the latest snapshot",
    severity="low",
    asset_type="systems",
    why="A device that nobody ordered may be a private device, or belong to an attacker.",
    remedy="Compare the device with your orders and enrollments. Ask the primary user.",
    evidence={
        "os": "operating system",
        "primary_user_id": "primary user",
        "group_ids": "system groups of the device",
        "is_back": "true if an earlier snapshot contained the device",
    },
    required_endpoints=("systems",),
    compares_snapshots=True,
    sql=f"""
WITH {_LATEST}
SELECT s.integration, 'systems' AS asset_type, s.system_id AS asset_id,
    {SYSTEMS.display_name("s")} AS asset_name,
    json_object('os', s.os, 'primary_user_id', s.primary_user_id, 'group_ids', s.group_ids,
        'is_back', s.first_seen_at < c.observed_at) AS evidence
FROM latest c JOIN main.systems s ON s.integration = c.integration AND s.system_id = c.asset_id
WHERE c.asset_type = 'systems' AND c.change = 'added'
""",
)

SYSTEMS_VANISHED = Finding(
    name="systems_vanished",
    title="Devices that are missing from the latest snapshot",
    severity="medium",
    asset_type="systems",
    why="A removed device no longer receives policies, but its disk and its local accounts still "
    "exist.",
    remedy="Find out who removed the device. Wipe it if it was retired; otherwise enroll it again.",
    evidence={
        "os": "operating system",
        "serial_number": "serial number of the hardware",
        "primary_user_id": "primary user",
        "user_count": "number of users who were bound to the device in any way",
    },
    required_endpoints=("systems",),
    compares_snapshots=True,
    sql=f"""
WITH {_LATEST}
SELECT integration, 'systems' AS asset_type, asset_id,
    {SYSTEMS.display_name_in_json("old_value", "asset_id")} AS asset_name,
    json_object('os', old_value ->> '$.os', 'serial_number', old_value ->> '$.serial_number',
        'primary_user_id', old_value ->> '$.primary_user_id',
        'user_count', (old_value ->> '$.user_count')::BIGINT) AS evidence
FROM latest
WHERE asset_type = 'systems' AND change = 'removed'
""",
)

# What all rows of a group grant together.
_RIGHTS = """['access']
        || CASE WHEN bool_or(sudo) THEN ['sudo'] ELSE [] END
        || CASE WHEN bool_or(sudo_without_password) THEN ['sudo_without_password'] ELSE [] END"""


def _gain(gained: str, through: str, reach: str, **ids: str) -> str:
    """Return SQL of the evidence of gained access; an id that is not given is NULL."""
    facts = {
        "gained": gained,
        "group_id": "NULL",
        "application_id": "NULL",
        "through": through,
        "reach": reach,
        "system_id": "NULL",
        "user_group_id": "NULL",
    }
    pairs = (f"'{name}', {fact}" for name, fact in (facts | ids).items())
    return f"json_object({', '.join(pairs)})"


ACCESS_GAINED = Finding(
    name="access_gained",
    title="Access or sudo that is new in the latest snapshot",
    severity="medium",
    asset_type="users",
    why="Permissions that someone granted by mistake, or to themselves, are easiest to find on the "
    "day when they appear.",
    remedy="Compare each row with a request for it. Revoke access that nobody requested.",
    evidence={
        "gained": "list of `access`, `sudo` and `sudo_without_password`",
        "group_id": "system group that grants the access, if any",
        "application_id": "active application that the user can now access, if any",
        "through": "name (or id) of the group, application or device that the ids name; `global "
        "administrator` if the user became one, in which case all ids are null",
        "reach": "for a user: number of devices of the group, or 1 for a device; for a global "
        "administrator: number of devices that the user can access; for a device: number of users "
        "of the group; null for an application",
        "system_id": "device that the user is bound to without any group, if so",
        "user_group_id": "user group that is bound to devices without a system group, if the "
        "access is through it",
    },
    required_endpoints=("applications", "applications_users"),
    compares_snapshots=True,
    uses_direct_bindings=True,
    detail="concat_ws('/', evidence ->> '$.group_id', evidence ->> '$.application_id', "
    "evidence ->> '$.system_id', evidence ->> '$.user_group_id')",
    sql=f"""
WITH {_LATEST},
bound AS (
    SELECT integration, asset_type, split_part(asset_id, '/', 1) AS source_id,
        split_part(asset_id, '/', 2) AS target_id,
        list_sort(flatten(list(
            CASE WHEN change = 'changed' THEN [column_name] ELSE ['access'] END
            || CASE WHEN new_value ->> '$.sudo' = 'true' THEN ['sudo'] ELSE [] END
            || CASE WHEN new_value ->> '$.sudo_without_password' = 'true'
                THEN ['sudo_without_password'] ELSE [] END
        ))) AS gained
    FROM latest
    WHERE asset_type IN (
        'system_group_users', 'user_system_bindings', 'user_group_system_bindings'
    ) AND (
        change = 'added'
        OR column_name IN ('sudo', 'sudo_without_password') AND new_value = 'true'
    )
    GROUP BY ALL
),
rights AS (
    SELECT integration, group_id, {_RIGHTS} AS gained FROM main.system_group_users GROUP BY ALL
),
user_group_rights AS (
    SELECT integration, user_group_id, count(*) AS system_count, {_RIGHTS} AS gained
    FROM main.user_group_system_bindings GROUP BY ALL
),
user_group_sizes AS (
    SELECT integration, user_group_id, count(*) AS user_count
    FROM main.user_group_members GROUP BY ALL
),
held AS (
    SELECT integration, split_part(asset_id, '/', 1) AS application_id,
        split_part(asset_id, '/', 2) AS user_id
    FROM latest WHERE asset_type = 'application_users' AND change = 'added'
    UNION
    SELECT c.integration, h.application_id, h.user_id
    FROM latest c
    JOIN main.application_users h
        ON h.integration = c.integration AND h.application_id = c.asset_id
    WHERE c.asset_type = 'applications' AND c.column_name = 'active' AND c.old_value = 'false'
),
administrators AS (
    SELECT integration, asset_id AS user_id,
        bool_or(change = 'added' OR column_name = 'global_admin') AS is_new
    FROM latest
    WHERE asset_type = 'users'
        AND (change = 'added' OR column_name IN ('global_admin', 'passwordless_sudo'))
    GROUP BY ALL
)
SELECT b.integration, 'users' AS asset_type, u.user_id AS asset_id,
    {USERS.display_name("u")} AS asset_name,
    {_gain("b.gained", SYSTEM_GROUPS.display_name("g"), "g.system_count", group_id="g.group_id")}
        AS evidence
FROM bound b
JOIN main.users u ON u.integration = b.integration AND u.user_id = b.target_id
JOIN main.system_groups g ON g.integration = b.integration AND g.group_id = b.source_id
WHERE b.asset_type = 'system_group_users' AND g.system_count > 0
UNION ALL
SELECT c.integration, 'systems', s.system_id, {SYSTEMS.display_name("s")},
    {_gain("r.gained", SYSTEM_GROUPS.display_name("g"), "g.user_count", group_id="g.group_id")}
FROM latest c
JOIN main.systems s
    ON s.integration = c.integration AND s.system_id = split_part(c.asset_id, '/', 2)
JOIN main.system_groups g
    ON g.integration = c.integration AND g.group_id = split_part(c.asset_id, '/', 1)
JOIN rights r ON r.integration = g.integration AND r.group_id = g.group_id
WHERE c.asset_type = 'system_group_members' AND c.change = 'added'
UNION ALL
SELECT b.integration, 'users', u.user_id, {USERS.display_name("u")},
    {_gain("b.gained", SYSTEMS.display_name("s"), "1", system_id="s.system_id")}
FROM bound b
JOIN main.users u ON u.integration = b.integration AND u.user_id = b.source_id
JOIN main.systems s ON s.integration = b.integration AND s.system_id = b.target_id
WHERE b.asset_type = 'user_system_bindings'
UNION ALL
SELECT b.integration, 'systems', s.system_id, {SYSTEMS.display_name("s")},
    {_gain("b.gained", "w.user_group_name", "n.user_count", user_group_id="w.user_group_id")}
FROM bound b
JOIN main.systems s ON s.integration = b.integration AND s.system_id = b.target_id
JOIN main.user_group_system_bindings w ON w.integration = b.integration
    AND w.user_group_id = b.source_id AND w.system_id = b.target_id
JOIN user_group_sizes n ON n.integration = b.integration AND n.user_group_id = b.source_id
WHERE b.asset_type = 'user_group_system_bindings'
UNION ALL
SELECT m.integration, 'users', u.user_id, {USERS.display_name("u")},
    {_gain("r.gained", "m.user_group_name", "r.system_count", user_group_id="m.user_group_id")}
FROM latest c
JOIN main.user_group_members m ON m.integration = c.integration
    AND m.user_group_id || '/' || m.user_id = c.asset_id
JOIN user_group_rights r
    ON r.integration = m.integration AND r.user_group_id = m.user_group_id
JOIN main.users u ON u.integration = m.integration AND u.user_id = m.user_id
WHERE c.asset_type = 'user_group_members' AND c.change = 'added'
UNION ALL
SELECT integration, 'users', user_id, {USERS.display_name("u")},
    {_gain("['access']", APPLICATIONS.display_name("a"), "NULL", application_id="application_id")}
FROM held h
JOIN main.users u USING (integration, user_id)
JOIN main.applications a USING (integration, application_id)
WHERE a.active IS NOT FALSE
UNION ALL
SELECT integration, 'users', user_id, {USERS.display_name("u")},
    {
        _gain(
            "CASE WHEN a.is_new THEN ['sudo'] ELSE [] END "
            "|| CASE WHEN u.passwordless_sudo THEN ['sudo_without_password'] ELSE [] END",
            "'global administrator'",
            "u.system_count",
        )
    }
FROM administrators a JOIN main.users u USING (integration, user_id)
WHERE u.global_admin AND (a.is_new OR u.passwordless_sudo) AND u.system_count > 0
""",
)

UNRESOLVED_IDS = Finding(
    name="unresolved_ids",
    title="Devices and users that a group, application or binding refers to but no list contains",
    severity="medium",
    asset_type="systems",
    why="Either a device or user was deleted while its bindings remained, or the API key may not "
    "read it. In the latter case, the inventory is incomplete.",
    remedy="Look up the id in JumpCloud. Remove the bindings of deleted devices and users. Allow "
    "the role of the API key to read the others.",
    evidence={
        "group_ids": "system groups that refer to the id",
        "application_count": "for a user: number of applications that refer to the id; null for a "
        "device",
        "users": "for a device: names of the users who are bound to it without any group",
        "systems": "for a user: names of the devices that the user is bound to without any group",
        "user_groups": "names of the user groups that contain the user, or are bound to the device",
    },
    required_endpoints=("systems", "systemusers", "applications", "applications_users"),
    required_targets=("user",),
    uses_direct_bindings=True,
    sql=f"""
-- Without the list of records, an id is unknown rather than unresolved.
WITH unresolved AS (
    SELECT integration, 'systems' AS asset_type, system_id AS asset_id, group_ids,
        NULL AS application_count
    FROM main.systems
    WHERE NOT resolved
        AND integration IN (SELECT integration FROM main.completeness WHERE endpoint = 'systems')
    UNION ALL
    SELECT integration, 'users', user_id, system_group_ids, application_count
    FROM main.users
    WHERE NOT resolved AND integration IN (
        SELECT integration FROM main.completeness WHERE endpoint = 'systemusers'
    )
),
edges AS (
    SELECT b.integration, 'systems' AS asset_type, b.system_id AS asset_id, 'users' AS kind,
        {USERS.display_name("u")} AS name
    FROM main.user_system_bindings b JOIN main.users u USING (integration, user_id)
    UNION ALL
    SELECT b.integration, 'users', b.user_id, 'systems', {SYSTEMS.display_name("s")}
    FROM main.user_system_bindings b JOIN main.systems s USING (integration, system_id)
    UNION ALL
    SELECT integration, 'systems', system_id, 'user_groups', user_group_name
    FROM main.user_group_system_bindings
    UNION ALL
    SELECT integration, 'users', user_id, 'user_groups', user_group_name
    FROM main.user_group_members
),
named AS (
    SELECT integration, asset_type, asset_id,
        list_sort(list(DISTINCT name) FILTER (kind = 'users')) AS users,
        list_sort(list(DISTINCT name) FILTER (kind = 'systems')) AS systems,
        list_sort(list(DISTINCT name) FILTER (kind = 'user_groups')) AS user_groups
    FROM edges SEMI JOIN unresolved USING (integration, asset_type, asset_id)
    GROUP BY ALL
)
SELECT u.integration, u.asset_type, u.asset_id, u.asset_id AS asset_name,
    json_object('group_ids', u.group_ids, 'application_count', u.application_count,
        'users', coalesce(n.users, []), 'systems', coalesce(n.systems, []),
        'user_groups', coalesce(n.user_groups, [])) AS evidence
FROM unresolved u
LEFT JOIN named n USING (integration, asset_type, asset_id)
""",
)

CHANGE_FINDINGS = (SYSTEMS_APPEARED, SYSTEMS_VANISHED, ACCESS_GAINED, UNRESOLVED_IDS)
