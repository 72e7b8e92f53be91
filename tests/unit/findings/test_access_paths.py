"""The access macros return every path and no other."""

import shutil
from collections.abc import Callable, Iterable

import duckdb
import pytest

from pipelines.schema.macros import MACROS
from pipelines.simulator import Organization, Sizes, generate
from pipelines.simulator.data.records import sudo
from tests.oracle import application_paths, system_paths
from tests.support.edge_cases import edge_cases
from tests.support.publisher import Publisher, Pulled, Rows
from tests.support.tables import Row, inventory, query_inventory

SMALL = Sizes(systems=40, users=30, system_groups=9, user_groups=6, applications=5)
ORGANIZATIONS: dict[str, Callable[[], Organization]] = {
    "company 1": lambda: generate(1, SMALL),
    "company 2": lambda: generate(2, SMALL),
    "edge cases": edge_cases,
}
BINDING = ("binding_sudo", "binding_sudo_without_password")
COLUMNS = {macro.name: macro.columns for macro in MACROS}


def in_order(rows: Iterable[dict[str, object]]) -> list[str]:
    return sorted(str(sorted(row.items())) for row in rows)


def assert_equal(rows: Rows, expected: Rows) -> None:
    without = [{name: row[name] for name in row if name != "integration"} for row in rows]
    assert in_order(without) == in_order(expected)


@pytest.mark.parametrize("kind", ORGANIZATIONS)
def test_paths_match_oracle(kind: str, pull: Callable[..., Pulled], publisher: Publisher) -> None:
    organization = ORGANIZATIONS[kind]()
    publisher.publish(pull(organization))
    for table, key, access, paths, expected in (
        ("systems", "system_id", "system_access", "access_paths", system_paths(organization)),
        (
            "applications",
            "application_id",
            "application_access",
            "application_access_paths",
            application_paths(organization),
        ),
    ):
        # For all assets at once: the argument is a column instead of a literal.
        rows = publisher.rows(f"SELECT p.* FROM {table} s, {access}(s.{key}) p")
        assert_equal(rows, expected)
        assert list(rows[0]) == list(COLUMNS[access]) == list(COLUMNS[paths])
        pairs = {(row["user_id"], row[key]) for row in expected[::97]}
        values = ", ".join(map(str, pairs))
        rows = publisher.rows(f"SELECT p.* FROM (VALUES {values}) v(u, a), {paths}(v.u, v.a) p")
        assert_equal(rows, [path for path in expected if (path["user_id"], path[key]) in pairs])


@pytest.fixture
def two_companies(pull: Callable[..., Pulled], publisher: Publisher) -> Publisher:
    """Publish one organization as two integrations, with the same ids and names in both."""
    organization = generate(1, Sizes.empty())
    alice = organization.add_user(username="alice", id="1" * 24)
    organization.add_user(username="1" * 24)
    organization.update(alice, sudo=True, passwordless_sudo=True)
    for number in range(2):
        organization.add_system(hostname=f"db-{number}", id=f"{number}" * 24)
    both, idle = organization.add_group("Databases"), organization.add_group("Idle")
    staff = organization.add_group("Staff", "user_group")
    ops = organization.add_group("Ops", "user_group")
    for group in (staff, ops):
        organization.add_member(group, alice)
    organization.add_member(both, "0" * 24)
    organization.bind(both, "user", alice, sudo(enabled=False))
    organization.bind(both, "user_group", staff)
    organization.bind(both, "user_group", ops, sudo(without_password=True))
    organization.bind(idle, "user", alice, sudo())
    wiki = organization.add_application(displayLabel="Wiki")
    organization.bind(wiki, "user_group", ops)
    pulled = pull(organization)
    publisher.publish(pulled, "acme")
    publisher.publish(pulled, "zeta")
    return publisher


def test_paths_are_found_by_name_in_each_integration(two_companies: Publisher) -> None:
    rows = two_companies.rows(
        "SELECT integration, username, user_group_id IS NULL AS direct, group_name, system_id[1] "
        "AS system, binding_sudo, binding_sudo_without_password, sudo, sudo_without_password, "
        "global_admin_without_password "
        "FROM access_paths('ALICE', 'db-0') ORDER BY ALL"
    )
    paths = [
        (False, True, True),
        (False, None, None),
        (True, False, False),
    ]
    assert rows == [
        {
            "integration": integration,
            "username": "alice",
            "direct": direct,
            "group_name": "Databases",
            "system": "0",
            "binding_sudo": binding,
            "binding_sudo_without_password": without,
            "sudo": True,
            "sudo_without_password": True,
            "global_admin_without_password": True,
        }
        for integration in ("acme", "zeta")
        for direct, binding, without in paths
    ]
    held = two_companies.rows("SELECT integration FROM application_access_paths('alice', 'Wiki')")
    assert sorted(str(row["integration"]) for row in held) == ["acme", "zeta"]
    for query in (
        "access_paths(NULL, 'db-0')",
        "system_access(NULL)",
        f"system_access('{'1' * 24}')",
    ):
        assert two_companies.rows(f"FROM {query}") == [], query


def test_binding_is_null_if_not_pulled(pull: Callable[..., Pulled], publisher: Publisher) -> None:
    organization = generate(1, SMALL)
    publisher.publish(pull(organization, association_targets=["user"]))
    expected = [
        path | (dict.fromkeys(BINDING) if path["user_group_id"] and path["group_id"] else {})
        for path in system_paths(organization)
    ]
    assert_equal(
        publisher.rows("SELECT p.* FROM systems s, system_access(s.system_id) p"), expected
    )


def test_macros_work_in_renamed_and_attached_file(two_companies: Publisher) -> None:
    copy = two_companies.file.with_name("copy of monday.db")
    two_companies.file.rename(copy)
    with duckdb.connect(copy, read_only=True) as connection:
        assert len(connection.sql("FROM system_access('db-0')").fetchall()) == 6
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{copy}' AS other (READ_ONLY)")
        assert connection.sql("FROM other.findings.groups_without_members").fetchall()
        connection.execute("USE other")
        assert len(connection.sql("FROM system_access('db-0')").fetchall()) == 6


def test_macro_of_a_file_not_in_use_raises_an_error(
    two_companies: Publisher, pull: Callable[..., Pulled]
) -> None:
    monday = two_companies.file.with_name("monday.duckdb")
    copy = two_companies.file.with_name("copy.duckdb")
    for path in (monday, copy):
        shutil.copy(two_companies.file, path)
    two_companies.publish(pull(generate(1, SMALL)))
    with duckdb.connect(two_companies.file, read_only=True) as connection:
        connection.execute(f"ATTACH '{monday}' AS monday (READ_ONLY)")
        own = connection.sql("SELECT system_id FROM systems LIMIT 1").fetchall()[0][0]
        for condition in ("", "WHERE sudo AND hostname = 'x' AND integration = 'y'"):
            query = f"FROM monday.main.system_access('{own}') {condition}"
            with pytest.raises(duckdb.Error, match="the macro of monday would answer from the"):
                connection.execute(query).fetchall()
        assert connection.execute(f"FROM system_access('{own}')").fetchall()
        connection.execute("USE monday")
        assert len(connection.sql("FROM system_access('db-0')").fetchall()) == 6
        # Two copies of one file have the same macros: nothing shows which one is called.
        connection.execute(f"ATTACH '{copy}' AS copy (READ_ONLY)")
        with pytest.raises(duckdb.Error, match="the macro of copy and monday would answer"):
            connection.execute("FROM system_access('db-0')").fetchall()


BOUND: Row = {"user_id": "ann", "direct": True, "via_user_group_ids": ["ops"]}
SMALL_TABLES: dict[str, Rows] = {
    "users": [
        {
            "user_id": "ann",
            "username": "ann.b",
            "email": "ann@example.com",
            "display_name": "Ann Brown",
            "state": "ACTIVATED",
            "global_admin": True,
            "passwordless_sudo": False,
        },
        {"user_id": "bob"},
        {"user_id": "ann", "username": "ann.b", "integration": "zeta"},
    ],
    "systems": [
        {
            "system_id": "db",
            "hostname": "db-1",
            "display_name": "Database",
            "serial_number": "SN-1",
            "group_ids": ["servers"],
        },
        {"system_id": "one", "hostname": "same", "display_name": "Db"},
        {"system_id": "two", "display_name": "SAME"},
        {"system_id": "laptop", "group_ids": ["desktops"]},
    ],
    "system_groups": [{"group_id": "servers", "name": "Servers"}, {"group_id": "desktops"}],
    "system_group_members": [
        {"group_id": "servers", "system_id": "db"},
        {"group_id": "desktops", "system_id": "laptop"},
    ],
    "user_groups": [{"user_group_id": "ops", "name": "Operations"}, {"user_group_id": "night"}],
    "user_group_members": [{"user_group_id": name, "user_id": "ann"} for name in ("ops", "night")],
    "user_group_system_bindings": [
        {"user_group_id": "night", "system_id": "two", "sudo": True, "sudo_without_password": False}
    ],
    "user_system_bindings": [
        {"user_id": "ann", "system_id": "two", "sudo": False, "sudo_without_password": False},
        {"user_id": "bob", "system_id": "one"},
    ],
    "system_group_users": [
        {"group_id": "servers", "sudo": True} | BOUND,
        {"group_id": "servers", "user_id": "bob", "direct": False, "via_user_group_ids": []},
        {"group_id": "desktops", "user_id": "bob"},
    ],
    "system_group_associations": [
        {"group_id": "servers", "target_type": "user_group", "target_id": "ops", "sudo": True},
        {"group_id": "servers", "target_type": "user", "target_id": "ops", "sudo": False},
    ],
    "applications": [
        {"application_id": "wiki", "display_label": "Wiki", "display_name": "Documents"},
        {"application_id": "notes", "display_label": "Notes", "display_name": "Paper"},
        {"application_id": "old-notes", "display_label": "Old notes", "display_name": "Notes"},
        {"application_id": "cards", "display_label": "Cards", "display_name": "Paper"},
    ],
    "application_users": [
        {"application_id": "wiki"} | BOUND,
        {"application_id": "wiki", "user_id": "bob"},
    ],
}


FOUND = {
    "access_paths('ann', 'db')": ["ann", "ann"],
    "access_paths('ann.b', 'db-1')": ["ann", "ann"],
    "access_paths('bob', 'db')": ["bob"],
    "access_paths('ann', 'laptop')": [],
    "access_paths('ann', 'two')": ["ann", "ann"],
    "access_paths('bob', 'one')": ["bob"],
    "access_paths('bob', 'two')": [],
    "system_access('two')": ["ann", "ann"],
    "system_access('db-1')": ["ann", "ann", "bob"],
    "application_access_paths('ann.b', 'wiki')": ["ann", "ann"],
    "application_access_paths('bob', 'Wiki')": ["bob"],
    "application_access('Wiki')": ["ann", "ann", "bob"],
    "access_paths('ANN@Example.com', 'Database')": ["ann", "ann"],
    "access_paths('ann brown', 'sn-1')": ["ann", "ann"],
    "access_paths('ANN', 'DB')": ["ann", "ann"],
    "application_access('documents')": ["ann", "ann", "bob"],
    "application_access('notes')": [],
}


def test_macros_return_paths_of_matching_users() -> None:
    with inventory(**SMALL_TABLES) as connection:
        for macro, users in FOUND.items():
            query = f"SELECT integration, user_id FROM {macro} ORDER BY ALL"
            assert connection.execute(query).fetchall() == [("acme", user) for user in users], macro


REFUSED = {
    "access_paths('ann.c', 'db')": "no user 'ann.c' .* The nearest: ann.b .*, ann.b .*, ann",
    "access_paths('bob', 'db-2')": "no device 'db-2' .* The nearest: db-1 .acme., .*Db",
    "system_access('Same')": "several devices are named 'Same' in acme.*: one .same.*, two",
    "application_access_paths('bob', '')": "no application '' in .* The nearest: .* .acme.,",
    "application_access('PAPER')": "several applications are .*: cards .Cards.*, notes",
}
# DuckDB could answer each of these queries without computing a row of the macro.
SKIPPING = (
    "FROM {}",
    "SELECT count(*) FROM {} WHERE user_id = 'x' AND username = 'y' AND state IN ('a', 'b')",
    "SELECT 1 FROM {} WHERE user_group_id IS NULL LIMIT 1",
    "SELECT m.* FROM users u LEFT JOIN {} m USING (integration, user_id)",
)


@pytest.mark.parametrize("empty", [(), ("system_group_users", "application_users")])
def test_unknown_or_ambiguous_name_is_an_error(empty: tuple[str, ...]) -> None:
    with inventory(**SMALL_TABLES | {name: [] for name in empty}) as connection:
        for macro, message in REFUSED.items():
            for query in SKIPPING:
                with pytest.raises(duckdb.InvalidInputException, match=message):
                    connection.execute(query.format(macro)).fetchall()


def test_access_paths_returns_whole_rows() -> None:
    rows = query_inventory("FROM access_paths('ann', 'db') ORDER BY user_group_id", **SMALL_TABLES)
    path: Row = {
        "integration": "acme",
        "user_id": "ann",
        "username": "ann.b",
        "group_id": "servers",
        "group_name": "Servers",
        "system_id": "db",
        "hostname": "db-1",
        "binding_sudo_without_password": None,
        "sudo": True,
        "sudo_without_password": None,
        "global_admin": True,
        "state": "ACTIVATED",
        "global_admin_without_password": False,
    }
    by_itself = {"user_group_id": None, "user_group_name": None}
    assert rows == [
        path | {"user_group_id": "ops", "user_group_name": "Operations", "binding_sudo": True},
        path | by_itself | {"binding_sudo": None},
    ]
    rows = query_inventory("FROM system_access('two') ORDER BY user_group_id", **SMALL_TABLES)
    own = path | {"group_id": None, "group_name": None, "system_id": "two", "hostname": None}
    by_binding = own | dict.fromkeys(("sudo_without_password", BINDING[1]), False)
    assert rows == [
        by_binding
        | {"user_group_id": "night", "user_group_name": "night", "sudo": True, BINDING[0]: True},
        by_binding | by_itself | {"sudo": False, BINDING[0]: False},
    ]
    application_rows = query_inventory(
        "FROM application_access('wiki') WHERE user_id = 'ann' ORDER BY 4", **SMALL_TABLES
    )
    shared = ("integration", "user_id", "username", "state")
    application = {name: path[name] for name in shared}
    application |= {"application_id": "wiki", "application_name": "Wiki"}
    assert application_rows == [
        application | {"user_group_id": "ops", "user_group_name": "Operations"},
        application | by_itself,
    ]
