"""Generate the raw tables of a large organization with DuckDB, without an API.

State 1 differs from state 0 like two pulls twelve hours apart: every device checked in, and one in
200 has another version.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from pipelines.extract.second_witness import DIFFERENCES_SCHEMA
from pipelines.jumpcloud.endpoints import ENDPOINTS


@dataclass(frozen=True)
class RawCounts:
    """Sizes of the organization; each system is in 20 groups."""

    systems: int = 100_000
    users: int = 50_000
    system_groups: int = 2_000
    user_groups: int = 300
    applications: int = 120
    direct_bindings: int = 300_000

    @property
    def memberships(self) -> int:
        """Return the number of memberships of systems in groups."""
        return 20 * self.systems


_MACROS = """
CREATE MACRO id_of(kind, number) AS left(md5(kind || number), 24);
CREATE MACRO sudo(number) AS {'sudo': {'enabled': number % 9 = 0, 'withoutPassword': FALSE}};
CREATE MACRO path(number) AS CASE WHEN number % 10 = 0
    THEN [[{'attributes': sudo(1), 'to': {'id': id_of('user', number), 'type': 'user'}}]]
    ELSE [[{'attributes': sudo(1), 'to': {'id': id_of('team', number % $user_groups),
            'type': 'user_group'}},
        {'attributes': NULL, 'to': {'id': id_of('user', number), 'type': 'user'}}]]
END;
"""
_QUERIES = {
    "systemgroups": "SELECT id_of('group', range) AS id, 'Group ' || range AS name "
    "FROM range($system_groups)",
    "systemgroups_members": """
SELECT id_of('group', (hash(system.range) % $system_groups + slot.range * 97) % $system_groups)
    AS group_id, {'id': id_of('system', system.range), 'type': 'system'} AS to
FROM range($systems) AS system, range(20) AS slot
""",
    "systemgroups_users": """
SELECT id_of('group', (hash(account.range) % $system_groups + slot.range * 89) % $system_groups)
    AS group_id, id_of('user', account.range) AS id, 'user' AS type,
    sudo(account.range) AS compiledAttributes, path(account.range) AS paths
FROM range($users) AS account, range(10) AS slot
""",
    "systemgroups_associations": """
SELECT id_of('group', range) AS group_id,
    {'id': id_of('team', range % $user_groups), 'type': 'user_group'} AS to
FROM range($system_groups)
""",
    "systems": """
SELECT id_of('system', range) AS _id, 'BER-L-' || range AS hostname,
    'Laptop ' || range AS displayName, 'Mac OS X' AS os, 'darwin' AS osFamily,
    '15.' || (range % 7 + CASE WHEN range % 200 = 0 THEN $state ELSE 0 END) AS version,
    'arm64' AS arch, upper(left(md5('serial' || range), 12)) AS serialNumber,
    '1.300.' || range % 5 AS agentVersion, TRUE AS active, '2024-01-01T00:00:00Z' AS created,
    '2026-01-0' || (1 + $state) || 'T00:00:00Z' AS lastContact,
    '203.0.113.' || range % 250 AS remoteIP,
    [{'name': 'en0', 'family': 'IPv4', 'internal': FALSE, 'address':
        format('10.{}.{}.{}', range // 65536, range // 256 % 256, range % 256)}] AS
        networkInterfaces,
    {'active': range % 5 <> 0, 'keyPresent': TRUE} AS fde,
    [{'userName': 'local' || range, 'admin': TRUE, 'managed': range % 2 = 0, 'suspended': FALSE,
        'secureTokenEnabled': TRUE}, {'userName': 'root', 'admin': TRUE, 'managed': FALSE,
        'suspended': FALSE, 'secureTokenEnabled': FALSE}] AS userMetrics
FROM range($systems)
""",
    "systemusers": """
SELECT id_of('user', range) AS _id, 'user' || range AS username,
    'user' || range || '@example.com' AS email, 'User ' || range AS displayname,
    'ACTIVATED' AS state, TRUE AS activated, FALSE AS suspended,
    'Department ' || range % 40 AS department, '2023-01-01T00:00:00Z' AS created
FROM range($users)
""",
    "applications": "SELECT id_of('app', range) AS _id, 'app' || range AS name "
    "FROM range($applications)",
    "applications_users": """
SELECT id_of('app', (account.range + slot.range * 7) % $applications) AS application_id,
    id_of('user', account.range) AS id, 'user' AS type, path(account.range) AS paths
FROM range($users) AS account, range(10) AS slot
""",
    "usergroups": "SELECT id_of('team', range) AS id, 'Team ' || range AS name, "
    "sudo(1) AS attributes FROM range($user_groups)",
    "usergroups_members": """
SELECT id_of('team', (hash(account.range) % $user_groups + slot.range * 31) % $user_groups)
    AS user_group_id, {'id': id_of('user', account.range), 'type': 'user'} AS to
FROM range($users) AS account, range(10) AS slot
""",
    "usergroups_associations": """
SELECT id_of('team', team.range) AS user_group_id, sudo(slot.range) AS attributes,
    {'id': id_of('system', (team.range * 311 + slot.range * 17) % $systems), 'type': 'system'}
        AS to
FROM range($user_groups // 3) AS team, range(20) AS slot
""",
    "users_associations": """
SELECT id_of('user', range % $users) AS user_id, sudo(range) AS attributes,
    {'id': id_of('system', hash(range) % $systems), 'type': 'system'} AS to
FROM range($direct_bindings)
""",
}
_WITHOUT_DIRECT = {"usergroups_associations", "users_associations"}


def raw_tables(counts: RawCounts, state: int) -> Iterator[tuple[str, pa.Table]]:
    """Yield the name and rows of each raw table, and at last of the proofs of completeness.

    Without direct bindings, their lists were not read.
    """
    asked = [name for name in ENDPOINTS if counts.direct_bindings or name not in _WITHOUT_DIRECT]
    with duckdb.connect() as connection:
        connection.execute(_fill(_MACROS, counts, state))
        for name, endpoint in ENDPOINTS.items():
            rows = endpoint.table_schema.empty_table()
            if name in _QUERIES and name in asked:
                found = connection.sql(_fill(_QUERIES[name], counts, state)).to_arrow_table()
                rows = _complete(found, endpoint.table_schema)
            yield name, rows
        yield "access_differences", DIFFERENCES_SCHEMA.empty_table()
        lists = ", ".join(f"'{name}'" for name in asked)
        query = f"""
SELECT endpoint, parent_id, '' AS target, 'total' AS proof, 1000 AS expected,
    1000 AS received, 0 AS holes, 0 AS duplicates, 10 AS pages, 0 AS rereads
FROM (SELECT unnest([{lists}]) AS endpoint),
    (SELECT '' AS parent_id UNION ALL SELECT id_of('group', range) FROM range($system_groups))
WHERE (parent_id <> '') = (endpoint LIKE 'systemgroups\\_%' ESCAPE '\\')
"""
        yield "completeness", connection.sql(_fill(query, counts, state)).to_arrow_table()


def _complete(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows with all columns of a schema; those that are missing are NULL."""
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _fill(sql: str, counts: RawCounts, state: int) -> str:
    """Insert the numbers into a statement, because DuckDB takes no parameters in macros."""
    numbers = {**vars(counts), "state": state}
    return re.sub(r"\$(\w+)", lambda found: str(numbers[found[1]]), sql)
