"""Findings about changes since the previous snapshot, on a few rows each."""

import pytest

from tests.support.tables import (
    Row,
    added,
    changed,
    day,
    find,
    found,
    latest,
    read,
    removed,
    unrelated,
)


def test_systems_appeared() -> None:
    rows = find(
        "systems_appeared",
        integrations=latest(3),
        systems=[
            {
                "system_id": "new",
                "os": "Linux",
                "primary_user_id": "ann",
                "group_ids": ["servers"],
                "first_seen_at": day(3),
            },
            {"system_id": "back", "hostname": "db-1", "first_seen_at": day(1)},
            {"system_id": "earlier", "first_seen_at": day(2)},
            {"system_id": "changed"},
            {"system_id": "new", "integration": "zeta"},
        ],
        changes=[
            added(3, "systems", "new"),
            added(3, "systems", "back"),
            added(2, "systems", "earlier"),
            changed(3, "systems", "changed", "os", "Linux", "macOS"),
            added(3, "users", "earlier"),
        ],
    )
    assert rows == [
        found(
            "low",
            "systems",
            "back",
            {"os": None, "primary_user_id": None, "group_ids": [], "is_back": True},
            name="db-1",
        ),
        found(
            "low",
            "systems",
            "new",
            {"os": "Linux", "primary_user_id": "ann", "group_ids": ["servers"], "is_back": False},
        ),
    ]


def test_systems_vanished() -> None:
    rows = find(
        "systems_vanished",
        integrations=latest(3),
        changes=[
            removed(3, "systems", "gone", hostname="db-1", os="Linux", user_count=2),
            removed(3, "systems", "unnamed", serial_number="S1", primary_user_id="ann"),
            removed(2, "systems", "earlier"),
            removed(3, "users", "user"),
            changed(3, "systems", "changed", "os", "Linux", None),
        ],
    )
    assert rows == [
        found(
            "medium",
            "systems",
            "gone",
            {"os": "Linux", "serial_number": None, "primary_user_id": None, "user_count": 2},
            name="db-1",
        ),
        found(
            "medium",
            "systems",
            "unnamed",
            {"os": None, "serial_number": "S1", "primary_user_id": "ann", "user_count": None},
            name="S1",
        ),
    ]


def gained(
    rights: list[str],
    through: str,
    reach: int | None = None,
    **ids: str,
) -> Row:
    """Return the evidence of gained access."""
    names = ("group_id", "application_id", "system_id", "user_group_id")
    return {"gained": rights, "through": through, "reach": reach, **dict.fromkeys(names)} | ids


def test_access_gained_by_group_binding() -> None:
    rows = find(
        "access_gained",
        integrations=latest(3),
        users=[{"user_id": "new", "username": "ann"}, {"user_id": "promoted"}, {"user_id": "old"}],
        system_groups=[
            {"group_id": "servers", "name": "Servers", "system_count": 2},
            {"group_id": "empty", "system_count": 0},
        ],
        changes=[
            added(3, "system_group_users", "servers/new", sudo=True, sudo_without_password=True),
            changed(3, "system_group_users", "servers/promoted", "sudo", False, True),
            added(3, "system_group_users", "empty/promoted", sudo=True),
            added(2, "system_group_users", "servers/old", sudo=True),
            changed(3, "system_group_users", "servers/old", "sudo", True, False),
            changed(3, "system_group_users", "servers/old", "direct", False, True),
        ],
    )
    all_rights = ["access", "sudo", "sudo_without_password"]
    assert rows == [
        found(
            "medium",
            "users",
            "new",
            gained(all_rights, "Servers", 2, group_id="servers"),
            name="ann",
        ),
        found(
            "medium",
            "users",
            "promoted",
            gained(["sudo"], "Servers", 2, group_id="servers"),
        ),
    ]


def test_access_gained_by_new_group_member() -> None:
    rows = find(
        "access_gained",
        integrations=latest(3),
        systems=[{"system_id": "new", "hostname": "db-1"}, {"system_id": "old"}],
        system_groups=[
            {"group_id": "servers", "user_count": 2},
            {"group_id": "without-users", "user_count": 0},
        ],
        system_group_users=[
            {"group_id": "servers", "user_id": "ann"},
            {"group_id": "servers", "user_id": "bob", "sudo": True},
        ],
        changes=[
            added(3, "system_group_members", "servers/new"),
            added(3, "system_group_members", "without-users/new"),
            added(2, "system_group_members", "servers/old"),
            removed(3, "system_group_members", "servers/old"),
        ],
    )
    assert rows == [
        found(
            "medium",
            "systems",
            "new",
            gained(["access", "sudo"], "servers", 2, group_id="servers"),
            name="db-1",
        ),
    ]


def test_access_gained_outside_system_groups() -> None:
    rows = find(
        "access_gained",
        integrations=latest(3),
        users=[{"user_id": "ann"}, {"user_id": "bob", "username": "bobby"}, {"user_id": "cy"}],
        systems=[{"system_id": "db", "hostname": "db-1"}, {"system_id": "web"}],
        user_system_bindings=[
            {"user_id": "ann", "system_id": "db", "sudo": True},
            {"user_id": "bob", "system_id": "db", "sudo": True},
            {"user_id": "cy", "system_id": "web"},
        ],
        user_group_members=[
            {"user_group_id": "ops", "user_id": "ann", "user_group_name": "Operations"},
            {"user_group_id": "ops", "user_id": "bob", "user_group_name": "Operations"},
            {"user_group_id": "unbound", "user_id": "cy", "user_group_name": "unbound"},
        ],
        user_group_system_bindings=[
            {"user_group_id": "ops", "system_id": "db", "user_group_name": "Operations"},
            {"user_group_id": "ops", "system_id": "web", "sudo": True}
            | {"user_group_name": "Operations"},
            {"user_group_id": "empty", "system_id": "web", "user_group_name": "empty"},
        ],
        changes=[
            added(3, "user_system_bindings", "ann/db", sudo=True),
            changed(3, "user_system_bindings", "bob/db", "sudo", None, True),
            added(2, "user_system_bindings", "cy/web"),
            added(3, "user_group_system_bindings", "ops/web", sudo=True),
            changed(3, "user_group_system_bindings", "ops/db", "sudo", True, False),
            added(3, "user_group_system_bindings", "empty/web"),
            added(3, "user_group_members", "ops/bob"),
            added(2, "user_group_members", "ops/ann"),
            added(3, "user_group_members", "unbound/cy"),
        ],
    )
    both = ["access", "sudo"]
    operations = gained(both, "Operations", 2, user_group_id="ops")
    assert rows == [
        found("medium", "systems", "web", operations),
        found("medium", "users", "ann", gained(both, "db-1", 1, system_id="db")),
        found("medium", "users", "bob", operations, name="bobby"),
        found("medium", "users", "bob", gained(["sudo"], "db-1", 1, system_id="db"))
        | {"asset_name": "bobby"},
    ]


def test_access_gained_to_application() -> None:
    rows = find(
        "access_gained",
        integrations=latest(3),
        users=[{"user_id": "ann"}, {"user_id": "bob", "username": "bobby"}],
        applications=[
            {"application_id": "wiki", "display_label": "Wiki", "active": True},
            {"application_id": "enabled"},
            {"application_id": "unchanged", "active": True},
            {"application_id": "disabled", "active": False},
        ],
        application_users=[
            {"application_id": "wiki", "user_id": "ann"},
            {"application_id": "enabled", "user_id": "bob"},
            {"application_id": "unchanged", "user_id": "bob"},
            {"application_id": "disabled", "user_id": "ann"},
        ],
        changes=[
            added(3, "application_users", "wiki/ann"),
            added(2, "application_users", "wiki/bob"),
            changed(3, "applications", "enabled", "active", False, True),
            removed(3, "application_users", "wiki/bob"),
            changed(3, "applications", "unchanged", "active", None, True),
            changed(3, "applications", "unchanged", "other", False, True),
            added(3, "application_users", "disabled/ann"),
        ],
    )
    assert rows == [
        found("medium", "users", "ann", gained(["access"], "Wiki", application_id="wiki")),
        found(
            "medium",
            "users",
            "bob",
            gained(["access"], "enabled", application_id="enabled"),
            name="bobby",
        ),
    ]


def test_access_gained_by_global_administrator() -> None:
    admin: Row = {"global_admin": True, "system_count": 5}
    rows = find(
        "access_gained",
        integrations=latest(3),
        users=[
            {"user_id": "new", "passwordless_sudo": True} | admin,
            {"user_id": "promoted"} | admin,
            {"user_id": "passwordless", "passwordless_sudo": True} | admin,
            {"user_id": "password", "passwordless_sudo": False} | admin,
            {"user_id": "unchanged", "passwordless_sudo": True} | admin,
            {"user_id": "no-device", "global_admin": True, "system_count": 0},
            {"user_id": "no-admin", "passwordless_sudo": True, "system_count": 5},
        ],
        changes=[
            added(3, "users", "new"),
            changed(3, "users", "promoted", "global_admin", False, True),
            changed(3, "users", "passwordless", "passwordless_sudo", False, True),
            changed(3, "users", "password", "passwordless_sudo", True, False),
            changed(3, "users", "unchanged", "other", False, True),
            added(3, "users", "no-device"),
            added(3, "users", "no-admin"),
        ],
    )
    assert rows == [
        found("medium", "users", user, gained(rights, "global administrator", 5))
        for user, rights in (
            ("new", ["sudo", "sudo_without_password"]),
            ("passwordless", ["sudo_without_password"]),
            ("promoted", ["sudo"]),
        )
    ]


@pytest.mark.parametrize("endpoints", [(), ("systems",), ("systems", "systemusers")])
def test_unresolved_ids(endpoints: tuple[str, ...]) -> None:
    rows = find(
        "unresolved_ids",
        completeness=read(*endpoints),
        systems=[
            {"system_id": "deleted", "resolved": False, "group_ids": ["servers"]},
            {"system_id": "missing", "resolved": False},
            {"system_id": "present", "hostname": "db-1", "resolved": True},
        ],
        users=[
            {
                "user_id": "deleted",
                "resolved": False,
                "system_group_ids": ["servers"],
                "application_count": 1,
            },
            {"user_id": "present", "username": "ann", "resolved": True},
            {"user_id": "present", "resolved": False, "integration": "zeta"},
        ],
        user_system_bindings=[
            {"user_id": "present", "system_id": "missing"},
            {"user_id": "deleted", "system_id": "present"},
        ],
        user_group_members=[
            {"user_group_id": "ops", "user_id": "deleted", "user_group_name": "Operations"},
            {"user_group_id": "ops", "user_id": "present", "user_group_name": "Operations"},
        ],
        user_group_system_bindings=[
            {"user_group_id": "dev", "system_id": "missing", "user_group_name": "Developers"},
        ],
        changes=[
            added(2, "systems", "deleted"),
            changed(3, "systems", "deleted", "resolved", True, False),
            added(4, "users", "deleted"),
            *unrelated(9, "systems", "deleted"),
        ],
    )
    known: Row = {"group_ids": ["servers"], "application_count": None}
    known |= {"users": [], "systems": [], "user_groups": []}
    of_missing: Row = {"group_ids": [], "users": ["ann"], "user_groups": ["Developers"]}
    of_deleted: Row = {"systems": ["db-1"], "user_groups": ["Operations"], "application_count": 1}
    expected = {
        "systems": [
            found("medium", "systems", "deleted", known),
            found("medium", "systems", "missing", known | of_missing),
        ],
        "systemusers": [found("medium", "users", "deleted", known | of_deleted)],
    }
    assert rows == [row for endpoint in endpoints for row in expected[endpoint]]
