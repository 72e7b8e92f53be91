"""Generate the tables of a large organization with DuckDB, without an API.

State `n` differs from state `n - 1` like two pulls twelve hours apart. One in 400 devices and users
left, and one in 400 arrived, with all their relationships. One in 200 has another version or title,
and one device in 200 moved to another group. Every device checked in.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from pipelines.schema.model import Table
from pipelines.schema.tables import INVENTORY_TABLES


@dataclass(frozen=True)
class Counts:
    """Sizes of the organization; `groups_of_a_system` counts system groups."""

    systems: int = 100_000
    users: int = 50_000
    system_groups: int = 2_000
    applications: int = 120
    groups_of_a_system: int = 20
    groups_of_a_user: int = 10
    applications_of_a_user: int = 10


_IDS = """
CREATE MACRO id_of(kind, number) AS left(md5(kind || number), 24);
CREATE MACRO is_here(number) AS (hash(number) % 400 + $state) % 400 <> 0;
CREATE MACRO tick(number) AS (hash(number) % 200 + $state) // 200;
CREATE TABLE all_systems AS
    SELECT range AS number, id_of('system', range) AS system_id
    FROM range($systems) WHERE is_here(range);
CREATE TABLE all_users AS
    SELECT range AS number, id_of('user', range) AS user_id
    FROM range($users) WHERE is_here(range + 7);
"""

# Slot 0 of a device moves with its tick. The other slots stay, and all slots differ.
_QUERIES = {
    "system_group_members": """
SELECT system_id, id_of('group', (hash(number) % $system_groups
    + CASE WHEN slot.range = 0 THEN 1 + tick(number) ELSE slot.range * 97 END) % $system_groups)
    AS group_id
FROM all_systems, range($groups_of_a_system) AS slot
""",
    "system_group_users": """
SELECT user_id, id_of('group', (hash(number) % $system_groups + slot.range * 89) % $system_groups)
        AS group_id,
    slot.range = 0 AS direct, [id_of('user_group', number % 300)] AS via_user_group_ids,
    hash(number, slot.range) % 9 = 0 AS sudo, FALSE AS sudo_without_password
FROM all_users, range($groups_of_a_user) AS slot
""",
    "system_group_associations": """
SELECT id_of('group', range) AS group_id, kind AS target_type,
    id_of(kind, range % 300) AS target_id, kind = 'user' AS sudo, FALSE AS sudo_without_password,
    CASE WHEN kind = 'user' THEN '{"sudo":{"enabled":true,"withoutPassword":false}}' END
        AS attributes
FROM range($system_groups),
    unnest(['user', 'user_group', 'policy', 'policy_group', 'command']) AS kinds(kind)
""",
    "application_users": """
SELECT user_id, id_of('application', (number + slot.range * 7) % $applications) AS application_id,
    slot.range = 0 AS direct, [id_of('user_group', number % 300)] AS via_user_group_ids
FROM all_users, range($applications_of_a_user) AS slot
""",
    "system_ipv4_addresses": """
SELECT system_id, 'en' || slot.range AS interface,
    format('10.{}.{}.{}', number // 65536 + 100 * slot.range, number // 256 % 256, number % 256)
        AS address
FROM all_systems, range(2) AS slot
""",
    "system_ip_addresses": """
SELECT system_id, interface, address, 4::INTEGER AS family, 'private' AS scope
FROM system_ipv4_addresses
UNION ALL
SELECT system_id, 'en0', format('fd00::{:x}', number), 6, 'private' FROM all_systems
""",
    "system_groups": """
SELECT id_of('group', range) AS group_id, 'Group ' || range AS name, 'STATIC' AS membership_method,
    members.system_count, 250 AS user_count
FROM range($system_groups) LEFT JOIN (
    SELECT group_id, count(*) AS system_count FROM system_group_members GROUP BY group_id
) AS members ON members.group_id = id_of('group', range)
""",
    "systems": """
SELECT system_id, 'BER-L-' || number AS hostname, 'Laptop ' || number AS display_name,
    'Mac OS X' AS os, 'darwin' AS os_family, '15.' || (number % 7 + tick(number + 1)) AS os_version,
    'arm64' AS arch, upper(left(md5('serial' || number), 12)) AS serial_number,
    '1.300.' || (number % 5) AS agent_version, TRUE AS active,
    TIMESTAMPTZ '2024-01-01 00:00:00+00' + INTERVAL 1 MINUTE * number AS created_at,
    TIMESTAMPTZ '2026-01-01 00:00:00+00' + INTERVAL 1 SECOND * (43200 * $state + number % 43200)
        AS last_contact_at,
    '203.0.113.' || number % 250 AS public_ip,
    ipv4_addresses, number % 5 <> 0 AS disk_encrypted, number % 3 = 0 AS mfa_enabled,
    FALSE AS ssh_root_login, TRUE AS ssh_password_login, group_ids, group_names,
    hash(number) % 3000 AS user_count, hash(number) % 100 AS application_count, TRUE AS resolved
FROM all_systems
JOIN (
    SELECT system_id, list_sort(list(address)) AS ipv4_addresses
    FROM system_ipv4_addresses GROUP BY system_id
) USING (system_id)
JOIN (
    SELECT system_id, list_sort(list(group_id)) AS group_ids, list_sort(list(name)) AS group_names
    FROM system_group_members JOIN system_groups USING (group_id) GROUP BY system_id
) USING (system_id)
""",
    "users": """
SELECT user_id, 'user' || number AS username, 'user' || number || '@example.com' AS email,
    'User ' || number AS display_name, 'First' || number % 999 AS first_name,
    'Last' || number % 4999 AS last_name, 'ACTIVATED' AS state, TRUE AS activated,
    FALSE AS suspended, FALSE AS account_locked, number % 2 = 0 AS mfa_configured,
    'Department ' || number % 40 AS department,
    'Title ' || (number % 90 + tick(number + 9)) AS job_title,
    TIMESTAMPTZ '2023-01-01 00:00:00+00' + INTERVAL 7 MINUTE * number AS created_at,
    system_group_ids, hash(number) % 3000 AS system_count, 10 AS application_count, TRUE AS resolved
FROM all_users JOIN (
    SELECT user_id, list_sort(list(group_id)) AS system_group_ids
    FROM system_group_users GROUP BY user_id
) USING (user_id)
""",
    "applications": """
SELECT id_of('application', range) AS application_id, 'app' || range AS name,
    'Application ' || range AS display_label, 'saml' AS sso_type, TRUE AS active,
    4000 AS user_count, 90000 AS system_count, TRUE AS resolved
FROM range($applications)
""",
    "ipv4_addresses": """
SELECT address, 'private' AS scope, list_sort(list(system_id)) AS system_ids,
    count(*) AS system_count, list_sort(list(interface)) AS interfaces
FROM system_ipv4_addresses GROUP BY address
""",
}


def tables(counts: Counts, state: int) -> Iterator[tuple[Table, pa.Table]]:
    """Yield each table of the inventory as a pull returns it, sorted by its key.

    Tables without a query are empty.
    """
    by_name = {table.name: table for table in INVENTORY_TABLES}
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_filled(_IDS, counts, state))
        for name, query in _QUERIES.items():
            table = by_name[name]
            empty = table.arrow_schema.empty_table()
            connection.register("empty_rows", empty)
            connection.execute(
                f"CREATE TABLE {name} AS FROM empty_rows UNION ALL BY NAME "
                f"SELECT 'acme' AS integration, * FROM ({_filled(query, counts, state)}) "
                f"ORDER BY {', '.join(table.key)}"
            )
            connection.unregister("empty_rows")
            yield table, connection.sql(f"FROM {name}").to_arrow_table().cast(table.arrow_schema)
    for name in by_name.keys() - _QUERIES.keys():
        yield by_name[name], by_name[name].arrow_schema.empty_table()


def completeness(counts: Counts) -> pa.Table:
    """Return the completeness proofs: lists of members, users and each target for every group."""
    query = """
SELECT endpoint, id_of('group', range) AS parent_id, target, 'total' AS proof,
    1000 AS expected, 1000 AS received, 0 AS holes, 0 AS duplicates, 10 AS pages, 0 AS rereads
FROM range($system_groups), (
    VALUES ('systemgroups_members', ''), ('systemgroups_users', ''),
        ('systemgroups_associations', 'user'), ('systemgroups_associations', 'user_group'),
        ('systemgroups_associations', 'policy'), ('systemgroups_associations', 'policy_group'),
        ('systemgroups_associations', 'command')
) AS lists(endpoint, target)
UNION ALL BY NAME
SELECT unnest(['systemgroups', 'systems', 'systemusers', 'applications', 'applications_users'])
        AS endpoint,
    '' AS parent_id, '' AS target, 'total' AS proof, 1000 AS expected, 1000 AS received,
    0 AS holes, 0 AS duplicates, 10 AS pages, 0 AS rereads
"""
    with duckdb.connect() as connection:
        connection.execute(_filled(_IDS, counts, 0))
        rows: pa.Table = connection.sql(_filled(query, counts, 0)).to_arrow_table()
        return rows


def _filled(sql: str, counts: Counts, state: int) -> str:
    """Insert the numbers into a statement, because DuckDB takes no parameters in macros."""
    numbers = {**vars(counts), "state": state}
    return re.sub(r"\$(\w+)", lambda found: str(numbers[found[1]]), sql)
