"""Findings about users, on a few rows each."""

from tests.support.tables import added, changed, day, find, found, read, removed


def test_suspended_users_with_access() -> None:
    rows = find(
        "suspended_users_with_access",
        users=[
            {"user_id": "suspended", "username": "ann", "suspended": True, "system_count": 1},
            {
                "user_id": "locked",
                "account_locked": True,
                "system_count": 0,
                "application_count": 2,
            },
            {"user_id": "state", "state": "SUSPENDED", "system_count": 2, "application_count": 1},
            {"user_id": "without-access", "suspended": True, "system_count": 0},
            {"user_id": "disabled-app-only", "suspended": True, "application_count": 1},
            {"user_id": "staged", "suspended": False, "state": "STAGED", "system_count": 1},
            {"user_id": "without-access", "integration": "zeta", "system_count": 9},
        ],
        applications=[
            {"application_id": "on", "active": True},
            {"application_id": "unknown"},
            {"application_id": "off", "active": False},
        ],
        application_users=[
            {"application_id": "on", "user_id": "locked"},
            {"application_id": "unknown", "user_id": "locked"},
            {"application_id": "off", "user_id": "state"},
            {"application_id": "off", "user_id": "disabled-app-only"},
        ],
        changes=[
            added(2, "users", "suspended"),
            changed(3, "users", "suspended", "suspended", False, True),
            changed(4, "users", "suspended", "system_count", 0, 1),
            changed(5, "users", "suspended", "system_count", 1, 2),
            changed(3, "users", "state", "state", "ACTIVATED", "SUSPENDED"),
            added(5, "application_users", "on/locked"),
            changed(4, "applications", "unknown", "active", False, None),
        ],
    )
    assert rows == [
        found(
            "high",
            "users",
            "locked",
            {
                "state": None,
                "suspended": None,
                "account_locked": True,
                "system_count": 0,
                "application_count": 2,
            },
            day(4),
        ),
        found(
            "high",
            "users",
            "state",
            {
                "state": "SUSPENDED",
                "suspended": None,
                "account_locked": None,
                "system_count": 2,
                "application_count": 0,
            },
            day(3),
        ),
        found(
            "high",
            "users",
            "suspended",
            {
                "state": None,
                "suspended": True,
                "account_locked": None,
                "system_count": 1,
                "application_count": None,
            },
            day(4),
            name="ann",
        ),
    ]


def test_users_without_mfa_with_sudo() -> None:
    admin = {"global_admin": True, "system_count": 1}
    rows = find(
        "users_without_mfa_with_sudo",
        users=[
            {"user_id": "admin", "state": "ACTIVATED", "mfa_configured": False} | admin,
            {"user_id": "bound", "username": "bob", "mfa_configured": False, "system_count": 2},
            {"user_id": "mfa-unknown"} | admin,
            {"user_id": "totp", "mfa_configured": False, "totp_enabled": True} | admin,
            {"user_id": "no-device", "mfa_configured": False, "global_admin": True},
            {"user_id": "no-sudo", "mfa_configured": False, "system_count": 2},
        ],
        system_groups=[
            {"group_id": "servers", "system_count": 2},
            {"group_id": "empty", "system_count": 0},
        ],
        system_group_users=[
            {"group_id": "servers", "user_id": "bound", "sudo": True},
            {"group_id": "empty", "user_id": "bound", "sudo": True},
            {"group_id": "empty", "user_id": "no-sudo", "sudo": True},
            {"group_id": "servers", "user_id": "no-sudo", "sudo": False},
            {"group_id": "servers", "user_id": "no-sudo", "sudo": True, "integration": "zeta"},
        ],
        changes=[
            changed(2, "users", "admin", "mfa_configured", True, False),
            changed(3, "users", "admin", "global_admin", None, True),
            added(2, "system_group_users", "servers/bound"),
            changed(4, "system_group_users", "servers/bound", "sudo", False, True),
            changed(5, "system_groups", "servers", "system_count", 1, 2),
        ],
    )
    assert rows == [
        found(
            "high",
            "users",
            "admin",
            {"state": "ACTIVATED", "global_admin": True, "sudo_group_ids": []},
            day(3),
        ),
        found(
            "high",
            "users",
            "bound",
            {"state": None, "global_admin": None, "sudo_group_ids": ["servers"]},
            day(4),
            name="bob",
        ),
    ]


def test_users_without_systems() -> None:
    rows = find(
        "users_without_systems",
        users=[
            {"user_id": "idle", "state": "STAGED", "system_count": 0, "resolved": True},
            {"user_id": "handed-over", "username": "cy", "system_count": 0, "resolved": True},
            {"user_id": "bound", "system_count": 1, "resolved": True},
            {"user_id": "primary", "system_count": 0, "resolved": True},
            {"user_id": "unresolved", "system_count": 0, "resolved": False},
            # The devices of this integration were not pulled.
            {"user_id": "idle", "system_count": 0, "resolved": True, "integration": "zeta"},
        ],
        systems=[
            {"system_id": "laptop", "primary_user_id": "primary"},
            {"system_id": "server"},
            {"system_id": "laptop", "primary_user_id": "idle", "integration": "zeta"},
        ],
        completeness=read("systems"),
        changes=[
            changed(2, "users", "idle", "system_count", 1, 0),
            changed(3, "users", "idle", "state", "ACTIVATED", "STAGED"),
            removed(4, "systems", "old-laptop", primary_user_id="handed-over"),
        ],
    )
    assert rows == [
        found(
            "low",
            "users",
            "handed-over",
            {"state": None, "application_count": None},
            day(4),
            name="cy",
        ),
        found("low", "users", "idle", {"state": "STAGED", "application_count": None}, day(2)),
    ]
