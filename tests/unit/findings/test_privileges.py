"""Findings about administrators and exemptions, on a few rows each."""

from tests.support.tables import Row, day, find, found

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
    )
    assert rows == [
        found("medium", "systems", "mac", {"accounts": ["admin", "setup"]}, name="mac-1"),
        found("medium", "systems", "new", {"accounts": ["Administrator"]}),
    ]


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
    )
    known = {"state": "ACTIVATED", "mfa_status": "NOT_ENROLLED", "system_count": 2}
    assert rows == [
        found("medium", "users", "exempt", known, name="ann"),
        found("medium", "users", "extended", dict.fromkeys(known)),
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
    )
    shown: Row = {"state": None, "password_date": None, "global_admin": None, "sudo_group_ids": []}
    shown |= {"sudo_system_ids": [], "sudo_user_groups": []}
    at = day(1).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert rows == [
        found(
            "medium",
            "users",
            "admin",
            shown | {"state": "ACTIVATED", "global_admin": True},
        ),
        found(
            "medium",
            "users",
            "bound",
            shown | {"password_date": at, "sudo_group_ids": ["servers"]},
            name="bob",
        ),
    ]


def test_systems_with_direct_sudo() -> None:
    rows = find(
        "systems_with_direct_sudo",
        systems=[{"system_id": "both", "hostname": "web-1"}, {"system_id": "old"}],
        users=[{"user_id": "ann", "username": "ann.b"}],
        user_system_bindings=[
            {"system_id": "both", "user_id": "ann", "sudo": True},
            {"system_id": "both", "user_id": "gone", "sudo": True, "sudo_without_password": True},
            {"system_id": "both", "user_id": "plain", "sudo": False},
            {"system_id": "old", "user_id": "ann"},
            {"system_id": "old", "user_id": "ann", "sudo": True, "integration": "zeta"},
        ],
        user_group_system_bindings=[
            {"system_id": "both", "user_group_id": "ops", "user_group_name": "Ops", "sudo": True},
            {"system_id": "old", "user_group_id": "dev", "user_group_name": "Dev", "sudo": True},
            {"system_id": "old", "user_group_id": "all", "user_group_name": "All"},
        ],
    )
    users = [{"id": "ann", "name": "ann.b"}, {"id": "gone", "name": "gone"}]
    evidence = {"users": users, "user_groups": [{"id": "ops", "name": "Ops"}]}
    assert rows == [
        found(
            "medium",
            "systems",
            "both",
            evidence | {"sudo_without_password": True},
            name="web-1",
        ),
        found(
            "medium",
            "systems",
            "old",
            {"users": [], "user_groups": [{"id": "dev", "name": "Dev"}]}
            | {"sudo_without_password": False},
        ),
    ]


def test_groups_with_rule_errors() -> None:
    cycle: Row = {"query_errors": ["CYCLE"], "membership_method": "DYNAMIC_AUTOMATED"}
    rows = find(
        "groups_with_rule_errors",
        system_groups=[
            {"group_id": "same", "name": "Laptops"} | cycle,
            {"group_id": "right", "query_errors": []},
        ],
        user_groups=[
            {"user_group_id": "same", "name": "Team"} | cycle,
            {"user_group_id": "right", "query_errors": []},
            {"user_group_id": "same", "query_errors": [], "integration": "zeta"},
        ],
    )
    assert rows == [
        found("medium", "system_groups", "same", cycle, name="Laptops"),
        found("medium", "user_groups", "same", cycle, name="Team"),
    ]
