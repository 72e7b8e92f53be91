"""Findings about administrators and exemptions, on a few rows each."""

import pytest

from tests.support.tables import Row, added, changed, day, find, found, unrelated

ADMIN: Row = {"admin": True, "managed": False, "suspended": False}


def test_systems_with_unmanaged_administrators() -> None:
    rows = find(
        "systems_with_unmanaged_administrators",
        systems=[
            {"system_id": "mac", "hostname": "mac-1"},
            {"system_id": "new", "first_seen_at": day(4)},
            {"system_id": "clean"},
        ],
        system_local_accounts=[
            {"system_id": "mac", "username": "setup"} | ADMIN,
            {"system_id": "mac", "username": "admin"} | ADMIN | {"suspended": None},
            {"system_id": "new", "username": "Administrator"} | ADMIN,
            {"system_id": "clean", "username": "root"} | ADMIN,
            {"system_id": "clean", "username": "_jumpcloudserviceaccount"} | ADMIN,
            {"system_id": "clean", "username": "managed"} | ADMIN | {"managed": True},
            {"system_id": "clean", "username": "unknown"} | ADMIN | {"managed": None},
            {"system_id": "clean", "username": "disabled"} | ADMIN | {"suspended": True},
            {"system_id": "clean", "username": "user"} | ADMIN | {"admin": False},
            {"system_id": "clean", "username": "setup", "integration": "zeta"} | ADMIN,
        ],
        changes=[
            added(2, "system_local_accounts", "mac/setup"),
            changed(3, "system_local_accounts", "mac/setup", "admin", False, True),
            changed(4, "system_local_accounts", "mac/admin", "managed", True, False),
            added(2, "system_local_accounts", "new/Administrator"),
            *unrelated(9, "system_local_accounts", "mac/setup"),
        ],
    )
    assert rows == [
        found("medium", "systems", "mac", {"accounts": ["admin", "setup"]}, day(3), name="mac-1"),
        found("medium", "systems", "new", {"accounts": ["Administrator"]}, day(4)),
    ]


@pytest.mark.parametrize(
    ("column", "old", "new"),
    [("admin", False, True), ("managed", True, False), ("suspended", True, False)],
)
def test_systems_with_unmanaged_administrators_since(column: str, old: object, new: object) -> None:
    (row,) = find(
        "systems_with_unmanaged_administrators",
        systems=[{"system_id": "mac"}],
        system_local_accounts=[{"system_id": "mac", "username": "setup"} | ADMIN],
        changes=[
            changed(3, "system_local_accounts", "mac/setup", column, old, new),
            changed(2, "system_local_accounts", "mac/setup", column, new, old),
        ],
    )
    assert row["since"] == day(3)


def test_users_exempt_from_mfa_without_end() -> None:
    rows = find(
        "users_exempt_from_mfa_without_end",
        users=[
            {"user_id": "exempt", "username": "ann", "mfa_exclusion": True, "system_count": 2}
            | {"state": "ACTIVATED", "mfa_status": "NOT_ENROLLED"},
            {"user_id": "extended", "mfa_exclusion": True},
            {"user_id": "until", "mfa_exclusion": True, "mfa_exclusion_until": day(9)},
            {"user_id": "ended", "mfa_exclusion": False},
            {"user_id": "unknown"},
            {"user_id": "exempt", "mfa_exclusion": False, "integration": "zeta"},
        ],
        changes=[
            changed(3, "users", "exempt", "mfa_exclusion", False, True),
            changed(4, "users", "extended", "mfa_exclusion_until", "2026-01-01", None),
            *unrelated(9, "users", "exempt"),
        ],
    )
    known = {"state": "ACTIVATED", "mfa_status": "NOT_ENROLLED", "system_count": 2}
    assert rows == [
        found("medium", "users", "exempt", known, day(3), name="ann"),
        found("medium", "users", "extended", dict.fromkeys(known), day(4)),
    ]


def test_users_without_password_expiry_with_sudo() -> None:
    unlimited: Row = {"password_never_expires": True, "system_count": 1}
    rows = find(
        "users_without_password_expiry_with_sudo",
        users=[
            {"user_id": "admin", "global_admin": True, "state": "ACTIVATED"} | unlimited,
            {"user_id": "bound", "username": "bob", "password_date": day(1)} | unlimited,
            {"user_id": "expires", "global_admin": True, "system_count": 1}
            | {"password_never_expires": False},
            {"user_id": "unknown", "global_admin": True, "system_count": 1},
            {"user_id": "no-sudo"} | unlimited,
            {"user_id": "no-device", "global_admin": True} | unlimited | {"system_count": 0},
        ],
        system_groups=[{"group_id": "servers", "system_count": 2}, {"group_id": "empty"}],
        system_group_users=[
            {"group_id": "servers", "user_id": "bound", "sudo": True},
            {"group_id": "servers", "user_id": "no-sudo", "sudo": False},
            {"group_id": "empty", "user_id": "no-sudo", "sudo": True},
            {"group_id": "servers", "user_id": "no-sudo", "sudo": True, "integration": "zeta"},
        ],
        changes=[
            changed(2, "users", "admin", "global_admin", False, True),
            changed(3, "users", "admin", "password_never_expires", False, True),
            changed(2, "users", "bound", "password_never_expires", False, True),
            changed(4, "system_group_users", "servers/bound", "sudo", False, True),
            *unrelated(9, "users", "admin"),
        ],
    )
    shown: Row = {"state": None, "password_date": None, "global_admin": None, "sudo_group_ids": []}
    at = day(1).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert rows == [
        found(
            "medium",
            "users",
            "admin",
            shown | {"state": "ACTIVATED", "global_admin": True},
            day(3),
        ),
        found(
            "medium",
            "users",
            "bound",
            shown | {"password_date": at, "sudo_group_ids": ["servers"]},
            day(4),
            name="bob",
        ),
    ]
