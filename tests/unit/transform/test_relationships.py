"""Relationship tables, made from a few raw records."""

import pytest

from tests.support.arrow import Row, contract_row, run_transform


def sudo(*, enabled: bool | None = None, without_password: bool | None = None) -> Row:
    return {"sudo": {"enabled": enabled, "withoutPassword": without_password}}


def edge(kind: str, target: str, attributes: Row | None = None) -> Row:
    return {"to": {"type": kind, "id": target}, "attributes": attributes}


def test_members_are_the_systems_of_a_group() -> None:
    members: list[Row] = [
        {"group_id": "g2", "to": {"id": "s1", "type": "system"}},
        {"group_id": "g1", "to": {"id": "s2", "type": "system"}},
        {"group_id": "g1", "to": {"id": "s1", "type": "system"}},
        {"group_id": "g1", "to": {"id": "g9", "type": "system_group"}},
    ]
    assert run_transform("system_group_members", systemgroups_members=members) == [
        contract_row("system_group_members", group_id=group, system_id=system)
        for group, system in (("g1", "s1"), ("g1", "s2"), ("g2", "s1"))
    ]


def bound_user(**record: object) -> Row:
    """Return the row of a user that is bound to a system group."""
    record = {"group_id": "g1", "id": "u1", "type": "user"} | record
    (row,) = run_transform("system_group_users", systemgroups_users=[record])
    return row


def expected_binding(**values: object) -> Row:
    defaults: Row = {
        "group_id": "g1",
        "user_id": "u1",
        "direct": False,
        "via_user_group_ids": [],
        "via_user_group_names": [],
    }
    return contract_row("system_group_users", **defaults | values)


def test_user_bound_directly_and_through_groups_is_one_row() -> None:
    paths = [
        [edge("user_group", "ug2"), edge("user", "u1")],
        [edge("user", "u1", sudo(enabled=False))],
        [edge("user_group", "ug1", sudo(enabled=True, without_password=True)), edge("user", "u1")],
        [edge("user_group", "ug2"), edge("user_group", "ug1"), edge("user", "u1")],
    ]
    assert bound_user(paths=paths) == expected_binding(
        direct=True,
        via_user_group_ids=["ug1", "ug2"],
        via_user_group_names=["ug1", "ug2"],
        sudo=True,
        sudo_without_password=True,
    )


def test_compiled_sudo_overrides_the_sudo_of_the_paths() -> None:
    paths = [[edge("user", "u1", sudo(enabled=True, without_password=True))]]
    compiled = sudo(enabled=True, without_password=False)
    assert bound_user(paths=paths, compiledAttributes=compiled) == expected_binding(
        direct=True, sudo=True, sudo_without_password=False
    )


def test_password_rule_without_sudo_grants_nothing() -> None:
    paths = [[edge("user", "u1", sudo(enabled=False, without_password=True))]]
    assert bound_user(paths=paths) == expected_binding(
        direct=True, sudo=False, sudo_without_password=False
    )


@pytest.mark.parametrize("paths", [None, []])
def test_user_without_paths_has_unknown_sudo(paths: list[object] | None) -> None:
    assert bound_user(paths=paths) == expected_binding()


@pytest.mark.parametrize(
    ("table", "endpoint", "parent"),
    [
        ("system_group_users", "systemgroups_users", "group_id"),
        ("application_users", "applications_users", "application_id"),
    ],
)
def test_only_users_are_bound(table: str, endpoint: str, parent: str) -> None:
    path = [[edge("user", "u1")]]
    records: list[Row] = [
        {parent: "p1", "id": "u1", "type": "user", "paths": path},
        {parent: "p1", "id": "ug1", "type": "user_group", "paths": path},
    ]
    assert run_transform(table, **{endpoint: records}) == [
        contract_row(
            table,
            **{parent: "p1"},
            user_id="u1",
            direct=True,
            via_user_group_ids=[],
            via_user_group_names=[],
        )
    ]


def test_application_user_has_the_groups_of_its_paths() -> None:
    paths = [
        [edge("user_group", "ug2"), edge("user", "u1")],
        [edge("user_group", "ug1"), edge("user", "u1")],
    ]
    user: Row = {"application_id": "a1", "id": "u1", "type": "user", "paths": paths}
    assert run_transform("application_users", applications_users=[user]) == [
        contract_row(
            "application_users",
            application_id="a1",
            user_id="u1",
            direct=False,
            via_user_group_ids=["ug1", "ug2"],
            via_user_group_names=["ug1", "ug2"],
        )
    ]


def test_associations_keep_the_attributes_that_were_sent() -> None:
    associations: list[Row] = [
        {"to": {"type": "user", "id": "u1"}, "attributes": sudo(enabled=True)},
        {"to": {"type": "user", "id": "u2"}, "attributes": {"ldapGroups": [{"name": "staff"}]}},
        {
            "to": {"type": "user_group", "id": "ug1"},
            "attributes": sudo(enabled=False, without_password=True),
        },
        {"to": {"type": "policy", "id": "p1"}},
    ]
    rows = run_transform(
        "system_group_associations",
        systemgroups_associations=[{"group_id": "g1"} | record for record in associations],
    )
    assert rows == [
        contract_row(
            "system_group_associations", group_id="g1", target_name=values["target_id"], **values
        )
        for values in (
            {"target_type": "policy", "target_id": "p1"},
            {
                "target_type": "user",
                "target_id": "u1",
                "sudo": True,
                "attributes": '{"sudo":{"enabled":true}}',
            },
            {
                "target_type": "user",
                "target_id": "u2",
                "attributes": '{"ldapGroups":[{"name":"staff"}]}',
            },
            {
                "target_type": "user_group",
                "target_id": "ug1",
                "sudo": False,
                "sudo_without_password": False,
                "attributes": '{"sudo":{"enabled":false,"withoutPassword":true}}',
            },
        )
    ]


def test_interface_addresses_exclude_unusable_ones() -> None:
    def interface(address: str | None, **values: object) -> Row:
        return {"name": "eth0", "family": "IPv4", "internal": False, "address": address} | values

    interfaces = [
        interface("10.0.0.1"),
        interface("10.0.0.1"),  # repeated
        interface("10.0.0.2", family=None, internal=None),
        interface("10.0.0.3", family="", name=None),
        interface("10.0.0.4", internal=True),
        interface("10.0.0.5", family="IPv6"),
        interface("2a00::1", family="IPV6"),
        interface("2A00:0::1", family=None),  # repeated in another form
        interface("2a00::2"),
        interface("fe80::1", family=None),
        interface("127.0.0.1"),
        interface("169.254.1.1"),
        interface(None),
    ]
    systems: list[Row] = [
        {"_id": "s1", "networkInterfaces": interfaces},
        {"_id": "s2", "networkInterfaces": [interface("8.8.8.8", name="en0")]},
        {"_id": "s3"},
    ]
    rows = run_transform("system_ip_addresses", systems=systems)
    assert rows == [
        contract_row(
            "system_ip_addresses",
            system_id=system,
            interface=name,
            address=address,
            family=family,
            scope=scope,
        )
        for system, name, address, family, scope in (
            ("s1", "", "10.0.0.3", 4, "private"),
            ("s1", "eth0", "10.0.0.1", 4, "private"),
            ("s1", "eth0", "10.0.0.2", 4, "private"),
            ("s1", "eth0", "2a00::1", 6, "public"),
            ("s2", "en0", "8.8.8.8", 4, "public"),
        )
    ]
    ipv4_rows = run_transform("system_ipv4_addresses", system_ip_addresses=rows)
    names = ("system_id", "interface", "address")
    assert ipv4_rows == [
        contract_row("system_ipv4_addresses", **{name: row[name] for name in names})
        for row in rows
        if row["family"] == 4
    ]


def test_local_accounts_are_one_row_per_name() -> None:
    def account(name: str | None, **flags: bool | None) -> Row:
        return {"userName": name, **flags}

    accounts = [
        account("root", admin=True, managed=False, suspended=False, secureTokenEnabled=True),
        account("ann", admin=False, managed=True, suspended=True),
        # Reported twice: an administrator, and enabled.
        account("ann", admin=True, managed=None, suspended=False),
        account("Ann"),
        account(""),
        account(None, admin=True),
        None,
    ]
    systems: list[Row] = [
        {"_id": "s1", "userMetrics": accounts},
        {"_id": "s2", "userMetrics": []},
        {"_id": "s3"},
    ]
    assert run_transform("system_local_accounts", systems=systems) == [
        contract_row(
            "system_local_accounts",
            system_id="s1",
            username=name,
            admin=admin,
            managed=managed,
            suspended=suspended,
            secure_token=token,
        )
        for name, admin, managed, suspended, token in (
            ("Ann", None, None, None, None),
            ("ann", True, True, False, None),
            ("root", True, False, False, True),
        )
    ]
