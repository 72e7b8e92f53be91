"""On random organizations, access equals that of a plain join in Python, for all kinds of ways."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.schema.views import SYSTEM_USERS_VIEW
from pipelines.sql import in_memory
from pipelines.transform.reach import APPLICATION_WORDS, GROUPS, count_distinct

Sudo = tuple[bool | None, bool | None]
Edges = dict[tuple[int, int], Sudo]
# Columns of both ends of each edge.
ENDS = {
    "system_group_members": ("group_id", "system_id"),
    "system_group_users": ("group_id", "user_id"),
    "user_group_members": ("user_group_id", "user_id"),
    "user_group_system_bindings": ("user_group_id", "system_id"),
    "user_system_bindings": ("user_id", "system_id"),
    "application_users": ("application_id", "user_id"),
}
Organization = dict[str, Edges]
STEPS = f"""
{GROUPS}
{count_distinct("users_of", "sys", "memberships", "usr", "bindings")}
{count_distinct("systems_of", "usr", "bindings", "sys", "memberships")}
{APPLICATION_WORDS}
"""
COUNTS = """
WITH single_users AS (SELECT sys, count(*) AS more FROM single GROUP BY sys),
single_systems AS (SELECT usr, count(*) AS more FROM single GROUP BY usr),
applications_of AS (SELECT sys, sum(bit_count(bits)) AS count FROM system_words GROUP BY sys)
SELECT 'users', system_id, coalesce(count, 0) + coalesce(more, 0)
FROM system_numbers LEFT JOIN users_of USING (sys) LEFT JOIN single_users USING (sys)
UNION ALL
SELECT 'systems', user_id, coalesce(count, 0) + coalesce(more, 0)
FROM user_numbers LEFT JOIN systems_of USING (usr) LEFT JOIN single_systems USING (usr)
UNION ALL
SELECT 'applications', system_id, coalesce(count, 0)
FROM system_numbers LEFT JOIN applications_of USING (sys)
"""


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with in_memory() as connection:
        yield connection


SUDOS: list[Sudo] = [(None, None), (False, False), (True, False), (True, True)]
# Few ids, so that ways meet; some beyond 64, so that sets of them take several words.
IDS = [*range(6), *range(62, 67)]


def random_organization(random: Random) -> Organization:
    return {
        name: {
            (random.choice(IDS), random.choice(IDS)): random.choice(SUDOS)
            for _ in range(random.choice([0, 1, 4, 12, 30]))
        }
        for name in ENDS
    }


def union(organizations: list[Organization]) -> Organization:
    """Return one organization without ways between its parts: one query takes as long as ten."""
    return {
        name: {
            (one + 100 * number, other + 100 * number): sudo
            for number, organization in enumerate(organizations)
            for (one, other), sudo in organization[name].items()
        }
        for name in ENDS
    }


NO_SUDO: Sudo = (None, None)
MANY: Organization = {
    name: {(number % (3 + place), number): NO_SUDO for number in range(200)}
    for place, name in enumerate(ENDS)
}


def load(connection: duckdb.DuckDBPyConnection, organization: Organization) -> None:
    for name, (first, second) in ENDS.items():
        edges = organization[name]
        columns: dict[str, list[object]] = {
            "integration": ["acme"] * len(edges),
            first: [f"{first[:-3]} {one}" for one, _ in edges],
            second: [f"{second[:-3]} {other}" for _, other in edges],
            "user_group_name": [f"name of {one}" for one, _ in edges],
            "sudo": [sudo for sudo, _ in edges.values()],
            "sudo_without_password": [without for _, without in edges.values()],
        }
        flags = pa.bool_()
        schema = pa.schema(
            {key: flags if key.startswith("sudo") else pa.string() for key in columns}
        )
        connection.register(name, pa.table(columns, schema=schema))


@dataclass
class Access:
    """How a user reaches a device."""

    groups: set[str] = field(default_factory=set)
    user_groups: set[int] = field(default_factory=set)
    direct: bool = False
    sudo: list[Sudo] = field(default_factory=list)

    def most(self, place: int) -> bool | None:
        known = [sudo[place] for sudo in self.sudo if sudo[place] is not None]
        return any(known) if known else None


def walk(organization: Organization) -> dict[tuple[int, int], Access]:
    """Return the access of each device and user."""
    found: dict[tuple[int, int], Access] = defaultdict(Access)
    for group, system in organization["system_group_members"]:
        for (other, user), sudo in organization["system_group_users"].items():
            if group == other:
                found[system, user].groups.add(f"group {group}")
                found[system, user].sudo.append(sudo)
    for (user, system), sudo in organization["user_system_bindings"].items():
        found[system, user].direct = True
        found[system, user].sudo.append(sudo)
    for (group, system), sudo in organization["user_group_system_bindings"].items():
        for other, user in organization["user_group_members"]:
            if group == other:
                found[system, user].user_groups.add(group)
                found[system, user].sudo.append(sudo)
    return found


def expected_users(organization: Organization) -> list[tuple[object, ...]]:
    """Return the rows of `system_users`."""
    return [
        (
            "acme",
            f"system {system}",
            f"user {user}",
            sorted(access.groups),
            access.most(0),
            access.most(1),
            access.direct,
            sorted(f"user_group {one}" for one in access.user_groups),
            sorted(f"name of {one}" for one in access.user_groups),
        )
        for (system, user), access in walk(organization).items()
    ]


def expected_counts(organization: Organization) -> set[tuple[object, ...]]:
    """Return the counts of each device and user; those that are in no way count nothing."""
    held = defaultdict(set)
    for application, user in organization["application_users"]:
        held[user].add(application)
    users: dict[int, set[int]] = defaultdict(set)
    systems: dict[int, set[int]] = defaultdict(set)
    applications: dict[int, set[int]] = defaultdict(set)
    for system, user in walk(organization):
        users[system].add(user)
        systems[user].add(system)
        applications[system] |= held[user]
    counts = {("users", f"system {one}", len(found)) for one, found in users.items()}
    counts |= {("systems", f"user {one}", len(found)) for one, found in systems.items()}
    return counts | {
        ("applications", f"system {one}", len(found))
        for one, found in applications.items()
        if found
    }


@settings(max_examples=10)
@given(st.integers(0, 2**32).map(Random))
def test_access_equals_that_of_a_plain_join(
    database: duckdb.DuckDBPyConnection, random: Random
) -> None:
    check_access(database, union([random_organization(random) for _ in range(15)]))


def test_access_of_single_devices_equals_that_of_a_plain_join(
    database: duckdb.DuckDBPyConnection,
) -> None:
    check_access(database, MANY)
    check_access(database, {name: {(n, n): NO_SUDO for n in range(150)} for name in ENDS})
    bindings = {"user_system_bindings": {(n, n): NO_SUDO for n in range(5_000)}}
    check_access(database, dict.fromkeys(ENDS, Edges()) | bindings)


def check_access(database: duckdb.DuckDBPyConnection, organization: Organization) -> None:
    with in_memory(database) as connection:
        load(connection, organization)
        rows = connection.sql(SYSTEM_USERS_VIEW.sql).fetchall()
        connection.execute(STEPS)
        counts = connection.sql(COUNTS).fetchall()
    assert sorted(rows, key=str) == sorted(expected_users(organization), key=str)
    assert len(counts) == len(set(counts))
    assert {row for row in counts if row[2]} == expected_counts(organization)
