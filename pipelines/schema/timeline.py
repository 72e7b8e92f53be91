"""The timeline of a user or a device: a table macro, and the events that it selects."""

from pipelines.schema.arguments import Argument, all_names, build_macro, resolved
from pipelines.schema.graph import SYSTEM_BINDINGS
from pipelines.schema.model import INTEGRATION, ColumnType, Table
from pipelines.schema.tables import (
    APPLICATION_USERS,
    APPLICATIONS,
    SYSTEM_GROUP_MEMBERS,
    SYSTEM_GROUP_USERS,
    SYSTEM_GROUPS,
    SYSTEM_IPV4_ADDRESSES,
    SYSTEM_LOCAL_ACCOUNTS,
    SYSTEMS,
    USER_GROUP_MEMBERS,
    USER_GROUP_SYSTEM_BINDINGS,
    USER_GROUPS,
    USER_SYSTEM_BINDINGS,
    USERS,
)

_USER_NAMES = ("username", "email", "display_name")
_SYSTEM_NAMES = ("hostname", "display_name", "serial_number")
_NAMED = (USERS, SYSTEMS, USER_GROUPS, SYSTEM_GROUPS, APPLICATIONS)
# Columns that only count or repeat relationships, which have events of their own.
_DERIVED = (
    "system_group_ids",
    "system_count",
    "application_count",
    "group_ids",
    "group_names",
    "user_count",
    "active_user_count",
)
# Columns in which TRUE grants sudo.
_SUDO = ("sudo", "sudo_without_password", "global_admin", "passwordless_sudo")

_AFTER = (
    "The event is later than this time: start of the last pull before it that read the list; NULL "
    "if there is none"
)
_BEFORE = "The event is earlier than this time: end of the first pull that found it"
_OBJECT = (
    "What was gained or lost: user_groups, system_groups, applications, systems, users, "
    "ipv4_addresses or local_accounts; NULL if the event is about the asset itself"
)

COLUMNS: dict[str, tuple[ColumnType, str]] = {
    "integration": ("TEXT", INTEGRATION.description),
    "asset_type": ("TEXT", "users or systems"),
    "asset_id": ("TEXT", "User or device"),
    "after_at": ("TIMESTAMPTZ", _AFTER),
    "before_at": ("TIMESTAMPTZ", _BEFORE),
    "event": (
        "TEXT",
        "first_seen, last_seen, removed, returned, gained, lost, sudo_gained, sudo_lost, changed",
    ),
    "object_type": ("TEXT", _OBJECT),
    "object_id": ("TEXT", "Its id, address or account name"),
    "object_name": ("TEXT", "Its name; its id if the name is not known"),
    "column_name": ("TEXT", "Changed column; NULL if no single column changed"),
    "old_value": ("TEXT", "Previous value of the column"),
    "new_value": ("TEXT", "New value of the column"),
    "sudo": ("BOOLEAN", "TRUE if what was gained or lost grants sudo"),
}


def _kind(
    table: Table, asset: Table, thing: str = "", *more_endpoints: str, parts: tuple[int, int]
) -> str:
    """Return SQL of a row of `_KINDS`; the parts are those of the key, from 1."""
    endpoints = ", ".join(f"'{name}'" for name in (*table.endpoints, *more_endpoints))
    named = f"'{thing}'" if thing else "NULL"
    return f"('{table.name}', '{asset.name}', {parts[0]}, {parts[1]}, {named}, [{endpoints}])"


# The tables with events of a user or a device, and which part of their key it is.
_KINDS = ",\n        ".join(
    (
        _kind(USERS, USERS, parts=(1, 1)),
        _kind(USER_GROUP_MEMBERS, USERS, USER_GROUPS.name, parts=(2, 1)),
        _kind(SYSTEM_GROUP_USERS, USERS, SYSTEM_GROUPS.name, parts=(2, 1)),
        _kind(APPLICATION_USERS, USERS, APPLICATIONS.name, parts=(2, 1)),
        _kind(USER_SYSTEM_BINDINGS, USERS, SYSTEMS.name, SYSTEM_BINDINGS, parts=(1, 2)),
        _kind(SYSTEMS, SYSTEMS, parts=(1, 1)),
        _kind(SYSTEM_GROUP_MEMBERS, SYSTEMS, SYSTEM_GROUPS.name, parts=(2, 1)),
        _kind(USER_SYSTEM_BINDINGS, SYSTEMS, USERS.name, SYSTEM_BINDINGS, parts=(2, 1)),
        _kind(USER_GROUP_SYSTEM_BINDINGS, SYSTEMS, USER_GROUPS.name, SYSTEM_BINDINGS, parts=(2, 1)),
        _kind(SYSTEM_IPV4_ADDRESSES, SYSTEMS, "ipv4_addresses", parts=(1, -1)),
        _kind(SYSTEM_LOCAL_ACCOUNTS, SYSTEMS, "local_accounts", parts=(1, -1)),
    )
)
# Each kind at each snapshot, with the start of the last pull before it that read the same list.
_INTERVALS = f"""(
    SELECT s.integration, s.snapshot_id, s.started_at, s.finished_at, k.*,
        max(CASE WHEN list_has_any(s.endpoints, k.endpoints) THEN s.started_at END) OVER (
            PARTITION BY s.integration, k.relation, k.asset_type ORDER BY s.started_at
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS after_at
    FROM (
        SELECT integration, snapshot_id, started_at, finished_at,
            json_extract_string(completeness, '$[*].endpoint') AS endpoints
        FROM main.snapshots
    ) s, (VALUES
        {_KINDS}
    ) k(relation, asset_type, asset_part, object_part, object_type, endpoints)
)"""


def _removed(table: Table, name: str) -> str:
    """Return SQL of the rows that were removed from an asset table, with a name from their JSON."""
    label = table.display_name_in_json("old_value", "NULL")
    return f"""
    SELECT integration, asset_id AS id, {label} AS label, {name} AS name, FALSE AS is_first
    FROM main.changes WHERE asset_type = '{table.name}' AND change = 'removed'"""


def _ever_named(table: Table, names: tuple[str, ...]) -> str:
    """Return SQL of the names of an asset table, and of the rows that were removed from it."""
    values = ("asset_id", *(f"old_value ->> '$.{name}'" for name in names))
    gone = [_removed(table, value) for value in values]
    now = all_names(table, names, first=names)
    return " UNION ALL ".join((now, *gone))


_OBJECTS = " UNION ALL ".join(
    f"""
        SELECT integration, '{table.name}' AS type, {table.key[0]} AS id,
            {table.display_name(table.name)} AS name, 'infinity'::TIMESTAMPTZ AS known_at
        FROM main.{table.name}
        UNION ALL
        SELECT integration, '{table.name}', asset_id,
            {table.display_name_in_json("old_value", "asset_id")}, observed_at
        FROM main.changes WHERE asset_type = '{table.name}' AND change = 'removed'"""
    for table in _NAMED
)
_SEEN = " UNION ALL ".join(
    f"""
        SELECT integration, '{table.name}' AS type, {table.key[0]} AS id, first_seen_at,
            last_seen_at
        FROM main.{table.name}
        UNION ALL
        SELECT integration, '{table.name}', asset_id,
            (old_value ->> '$.first_seen_at')::TIMESTAMPTZ, NULL
        FROM main.changes WHERE asset_type = '{table.name}' AND change = 'removed'"""
    for table in (USERS, SYSTEMS)
)
_SEEN = f"""(
    SELECT integration, type, id, min(first_seen_at) AS first_seen_at,
        max(last_seen_at) AS last_seen_at
    FROM ({_SEEN}
    ) GROUP BY ALL
)"""


def _values(columns: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in columns)


# All events of all users and devices, without common table expressions: see the access macros.
EVENTS = f"""
SELECT c.integration, c.asset_type, c.asset_id, c.after_at, c.before_at, c.event, c.object_type,
    c.object_id, coalesce(o.name, c.object_id) AS object_name, c.column_name, c.old_value,
    c.new_value, c.sudo
FROM (
    SELECT c.integration, k.asset_type, split_part(c.asset_id, '/', k.asset_part) AS asset_id,
        k.after_at, k.finished_at AS before_at, c.observed_at,
        CASE
            WHEN c.column_name IN ({_values(_SUDO)}) AND c.new_value ->> '$' = 'true'
                THEN 'sudo_gained'
            WHEN c.column_name IN ({_values(_SUDO)}) AND c.old_value ->> '$' = 'true'
                THEN 'sudo_lost'
            WHEN c.change = 'changed' THEN 'changed'
            WHEN k.object_type IS NULL AND c.change = 'added' THEN 'returned'
            WHEN k.object_type IS NULL THEN 'removed'
            WHEN c.change = 'added' THEN 'gained'
            ELSE 'lost'
        END AS event,
        k.object_type,
        CASE WHEN k.object_type IS NOT NULL THEN split_part(c.asset_id, '/', k.object_part) END
            AS object_id,
        nullif(c.column_name, '') AS column_name,
        CASE WHEN c.change = 'changed' THEN c.old_value ->> '$' END AS old_value,
        CASE WHEN c.change = 'changed' THEN c.new_value ->> '$' END AS new_value,
        CASE WHEN c.change <> 'changed' AND k.object_type IS NOT NULL
            THEN (coalesce(c.new_value, c.old_value) ->> '$.sudo')::BOOLEAN END AS sudo
    FROM main.changes c
    JOIN {_INTERVALS} k ON k.integration = c.integration AND k.snapshot_id = c.snapshot_id
        AND k.relation = c.asset_type
    WHERE c.column_name NOT IN ({_values(_DERIVED)})
) c
LEFT JOIN (
    SELECT integration, type, id, arg_max(name, known_at) AS name FROM ({_OBJECTS}
    ) GROUP BY ALL
) o ON o.integration = c.integration AND o.type = c.object_type AND o.id = c.object_id
LEFT JOIN {_SEEN} s ON s.integration = c.integration AND s.type = c.asset_type
    AND s.id = c.asset_id AND s.first_seen_at = c.observed_at AND c.event = 'returned'
WHERE s.id IS NULL
UNION ALL
SELECT s.integration, s.type, s.id, k.after_at, coalesce(k.finished_at, s.first_seen_at),
    'first_seen', NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM {_SEEN} s
LEFT JOIN {_INTERVALS} k ON k.integration = s.integration AND k.relation = s.type
    AND k.started_at = s.first_seen_at
WHERE s.first_seen_at IS NOT NULL
UNION ALL
SELECT s.integration, s.type, s.id, s.last_seen_at, coalesce(k.finished_at, s.last_seen_at),
    'last_seen', NULL, NULL, NULL, NULL, NULL, NULL, NULL
FROM {_SEEN} s
LEFT JOIN {_INTERVALS} k ON k.integration = s.integration AND k.relation = s.type
    AND k.started_at = s.last_seen_at
WHERE s.last_seen_at IS NOT NULL
"""

_ASSET = Argument(
    "asset",
    "asset",
    "id, username, e-mail address, host name, serial number or display name",
    f"{_ever_named(USERS, _USER_NAMES)} UNION ALL {_ever_named(SYSTEMS, _SYSTEM_NAMES)}",
)
TIMELINE = build_macro(
    "timeline",
    "Events of a user or a device, also of one that was removed: groups, bindings, applications, "
    "sudo and its own fields, each with the interval in which it happened",
    (_ASSET,),
    COLUMNS,
    f"""
SELECT {", ".join(f"e.{name}" for name in COLUMNS)}
FROM {resolved((_ASSET,))} r
JOIN ({EVENTS}) e ON e.integration = r.asset_integration AND e.asset_id = r.asset_ids[1]
WHERE len(r.asset_ids) = 1
""",
)
