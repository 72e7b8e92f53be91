"""Findings about devices and addresses, on a few rows each."""

from datetime import timedelta

from tests.support.tables import (
    Row,
    day,
    find,
    found,
    latest,
    pull,
    thresholds,
)


def test_unencrypted_systems_of_privileged_users() -> None:
    rows = find(
        "unencrypted_systems_of_privileged_users",
        systems=[
            {"system_id": "of-admin", "disk_encrypted": False, "primary_user_id": "admin"},
            {
                "system_id": "of-operator",
                "hostname": "db-1",
                "disk_encrypted": False,
                "primary_user_id": "operator",
                "group_ids": ["desktops", "servers"],
            },
            {"system_id": "unowned", "disk_encrypted": False, "group_ids": ["servers"]},
            {
                "system_id": "owner-deleted",
                "disk_encrypted": False,
                "primary_user_id": "deleted",
                "group_ids": ["servers"],
            },
            {
                "system_id": "of-user",
                "disk_encrypted": False,
                "primary_user_id": "user",
                "group_ids": ["servers"],
            },
            {"system_id": "no-sudo", "disk_encrypted": False, "group_ids": ["desktops"]},
            {"system_id": "encrypted", "disk_encrypted": True, "primary_user_id": "admin"},
            {"system_id": "unknown", "primary_user_id": "admin"},
        ],
        users=[
            {"user_id": "admin", "global_admin": True},
            {"user_id": "operator"},
            {"user_id": "user", "global_admin": False},
            {"user_id": "user", "global_admin": True, "integration": "zeta"},
        ],
        system_groups=[{"group_id": "servers"}, {"group_id": "desktops"}],
        system_group_users=[
            {"group_id": "servers", "user_id": "operator", "sudo": True},
            {"group_id": "servers", "user_id": "user", "sudo": False},
            {"group_id": "desktops", "user_id": "operator"},
        ],
    )
    direct: Row = {"sudo_users": [], "sudo_user_groups": []}
    assert rows == [
        found("high", "systems", asset_id, {**evidence, **direct}, name)
        for asset_id, evidence, name in (
            ("of-admin", {"primary_user_id": "admin", "sudo_group_ids": []}, ""),
            (
                "of-operator",
                {"primary_user_id": "operator", "sudo_group_ids": ["servers"]},
                "db-1",
            ),
            ("owner-deleted", {"primary_user_id": None, "sudo_group_ids": ["servers"]}, ""),
            ("unowned", {"primary_user_id": None, "sudo_group_ids": ["servers"]}, ""),
        )
    ]


def test_unencrypted_systems_of_users_with_sudo_outside_groups() -> None:
    unencrypted: Row = {"disk_encrypted": False}
    rows = find(
        "unencrypted_systems_of_privileged_users",
        systems=[
            unencrypted | {"system_id": "of-bound", "primary_user_id": "bound"},
            unencrypted | {"system_id": "of-other", "primary_user_id": "plain"},
            unencrypted | {"system_id": "of-nobody"},
            unencrypted | {"system_id": "of-admins"},
            unencrypted | {"system_id": "plain"},
            {"system_id": "encrypted", "disk_encrypted": True},
        ],
        users=[
            {"user_id": "bound", "username": "bob"},
            {"user_id": "plain"},
            {"user_id": "admin", "username": "ada", "global_admin": True},
        ],
        user_system_bindings=[
            {"user_id": "bound", "system_id": "of-bound", "sudo": True},
            {"user_id": "bound", "system_id": "of-other", "sudo": True},
            {"user_id": "admin", "system_id": "of-admins"},
            {"user_id": "plain", "system_id": "plain", "sudo": False},
            {"user_id": "bound", "system_id": "encrypted", "sudo": True},
        ],
        user_group_members=[
            {"user_group_id": "ops", "user_id": "plain"},
            {"user_group_id": "admins", "user_id": "admin"},
        ],
        user_group_system_bindings=[
            {"user_group_id": "ops", "system_id": "of-nobody", "sudo": True}
            | {"user_group_name": "Operations"},
            {"user_group_id": "admins", "system_id": "of-admins", "user_group_name": "Admins"},
            {"user_group_id": "empty", "system_id": "plain", "sudo": True},
        ],
    )
    shown: Row = {"primary_user_id": None, "sudo_group_ids": [], "sudo_users": []}
    shown |= {"sudo_user_groups": []}
    of_admins: Row = {"sudo_users": ["ada"], "sudo_user_groups": ["Admins"]}
    of_bound: Row = {"primary_user_id": "bound", "sudo_users": ["bob"]}
    assert rows == [
        found("high", "systems", "of-admins", shown | of_admins),
        found("high", "systems", "of-bound", shown | of_bound),
        found("high", "systems", "of-nobody", shown | {"sudo_user_groups": ["Operations"]}),
    ]


def test_stale_systems_with_access() -> None:
    now, second = day(40), timedelta(seconds=1)
    month = timedelta(days=30)
    rows = find(
        "stale_systems_with_access",
        thresholds=thresholds(stale_days=30),
        integrations=latest(40),
        snapshots=[pull(39), pull(40)],
        systems=[
            {"system_id": "stale", "user_count": 2, "last_contact_at": now - month - second},
            {
                "system_id": "reached-later",
                "hostname": "db-1",
                "user_count": 1,
                "last_contact_at": now - 2 * month,
            },
            {"system_id": "border", "user_count": 2, "last_contact_at": now - month},
            {"system_id": "without-users", "user_count": 0, "last_contact_at": now - 2 * month},
            {"system_id": "connected", "user_count": 2, "active": True, "last_contact_at": day(1)},
            {"system_id": "unknown", "user_count": 2, "created_at": day(1)},
            {"system_id": "not-yet-seen", "user_count": 2, "active": False, "created_at": day(20)},
            {
                "system_id": "never-seen",
                "display_name": "Ann's phone",
                "user_count": 2,
                "active": False,
                "created_at": day(5),
            },
        ],
    )
    assert rows == [
        found(
            "medium",
            "systems",
            "never-seen",
            {"days_without_contact": 35, "last_contact_at": None, "user_count": 2},
            name="Ann's phone",
        ),
        found(
            "medium",
            "systems",
            "reached-later",
            {
                "days_without_contact": 60,
                "last_contact_at": "2024-01-09T08:00:00Z",
                "user_count": 1,
            },
            name="db-1",
        ),
        found(
            "medium",
            "systems",
            "stale",
            {
                "days_without_contact": 30,
                "last_contact_at": "2024-02-08T07:59:59Z",
                "user_count": 2,
            },
        ),
    ]


def test_systems_without_users() -> None:
    no_users: Row = {"user_count": 0, "resolved": True}
    rows = find(
        "systems_without_users",
        systems=[
            {"system_id": "unused", "hostname": "db-1", "group_ids": ["servers"]} | no_users,
            {"system_id": "unowned"} | no_users,
            {"system_id": "enrolled"} | no_users,
            {"system_id": "new"} | no_users,
            {"system_id": "owned", "primary_user_id": "ann"} | no_users,
            {"system_id": "one-user", "user_count": 1, "resolved": True},
            {"system_id": "unresolved", "user_count": 0, "resolved": False},
        ],
    )
    assert rows == [
        found("low", "systems", "enrolled", {"group_ids": []}),
        found("low", "systems", "new", {"group_ids": []}),
        found("low", "systems", "unowned", {"group_ids": []}),
        found("low", "systems", "unused", {"group_ids": ["servers"]}, name="db-1"),
    ]


def test_systems_in_no_group() -> None:
    rows = find(
        "systems_in_no_group",
        systems=[
            {"system_id": "new", "os": "Linux", "primary_user_id": "ann"},
            {"system_id": "left", "hostname": "db-1"},
            {"system_id": "old"},
            {"system_id": "member", "group_ids": ["servers"]},
            {"system_id": "new", "group_ids": ["servers"], "integration": "zeta"},
        ],
    )
    assert rows == [
        found("low", "systems", "left", {"os": None, "primary_user_id": None}, name="db-1"),
        found("low", "systems", "new", {"os": "Linux", "primary_user_id": "ann"}),
        found("low", "systems", "old", {"os": None, "primary_user_id": None}),
    ]


def test_systems_with_failing_policies() -> None:
    rows = find(
        "systems_with_failing_policies",
        systems=[
            {"system_id": "one", "policies_failed": 1, "policies_total": 3},
            {"system_id": "two", "hostname": "db-1", "policies_failed": 2, "policies_total": 2},
            {"system_id": "none", "policies_failed": 0, "policies_total": 3},
            {"system_id": "unknown", "policies_total": 3},
        ],
    )
    assert rows == [
        found("medium", "systems", "one", {"policies_failed": 1, "policies_total": 3}),
        found(
            "medium",
            "systems",
            "two",
            {"policies_failed": 2, "policies_total": 2},
            name="db-1",
        ),
    ]


def test_systems_with_same_serial_number() -> None:
    numbers = {
        "old": "C02",
        "new": " c02",
        "other": "C03",
        "none": None,
        **{f"placeholder{n}": "To be filled by O.E.M." for n in (1, 2)},
        **{f"default{n}": "Default string" for n in (1, 2)},
        **{f"zeros{n}": "0000" for n in (1, 2)},
        **{f"zero{n}": "0" for n in (1, 2)},
        **{f"empty{n}": "None" for n in (1, 2)},
    }
    systems: list[Row] = [{"system_id": name, "serial_number": numbers[name]} for name in numbers]
    rows = find(
        "systems_with_same_serial_number",
        systems=[*systems, {"system_id": "old", "serial_number": "C03", "integration": "zeta"}],
    )
    assert rows == [
        found(
            "low",
            "systems",
            name,
            {"serial_number": number, "system_ids": ["new", "old"]},
            number,
        )
        for name, number in (("new", " c02"), ("old", "C02"))
    ]
