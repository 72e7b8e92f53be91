"""Findings about users, on a few rows each."""

from tests.support.tables import (
    Row,
    find,
    found,
    read,
)

NOT_DIRECT: dict[str, list[str]] = {"sudo_system_ids": [], "sudo_user_groups": []}


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
            name="ann",
        ),
    ]


def test_users_without_mfa_with_sudo() -> None:
    admin: Row = {"global_admin": True, "system_count": 1}
    rows = find(
        "users_without_mfa_with_sudo",
        users=[
            {"user_id": "admin", "state": "ACTIVATED", "mfa_configured": False} | admin,
            {"user_id": "bound", "username": "bob", "mfa_configured": False, "system_count": 2},
            {"user_id": "mfa-unknown"} | admin,
            {"user_id": "totp", "mfa_configured": False, "totp_enabled": True} | admin,
            {"user_id": "no-device", "mfa_configured": False} | admin | {"system_count": 0},
            {"user_id": "no-sudo", "mfa_configured": False, "system_count": 2},
            {"user_id": "security-key", "mfa_configured": False, "mfa_status": "ENROLLED"} | admin,
            {"user_id": "lapsed", "email": "cy@x.org", "totp_enabled": True, "mfa_exclusion": True}
            | {"mfa_status": "ENROLLMENT_EXPIRED"}
            | admin,
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
    )
    assert rows == [
        found(
            "high",
            "users",
            "admin",
            {"state": "ACTIVATED", "global_admin": True, "sudo_group_ids": []}
            | {"mfa_exclusion": None, **NOT_DIRECT},
        ),
        found(
            "high",
            "users",
            "bound",
            {"state": None, "global_admin": None, "sudo_group_ids": ["servers"]}
            | {"mfa_exclusion": None, **NOT_DIRECT},
            name="bob",
        ),
        found(
            "high",
            "users",
            "lapsed",
            {
                "state": None,
                "global_admin": True,
                "sudo_group_ids": [],
                "mfa_exclusion": True,
                **NOT_DIRECT,
            },
            name="cy@x.org",
        ),
    ]


def test_users_without_systems() -> None:
    rows = find(
        "users_without_systems",
        users=[
            {"user_id": "idle", "state": "STAGED", "system_count": 0, "resolved": True},
            {"user_id": "device-removed", "username": "cy", "system_count": 0, "resolved": True},
            {"user_id": "device-reassigned", "system_count": 0, "resolved": True},
            {"user_id": "new", "system_count": 0, "resolved": True},
            {"user_id": "enrolled", "system_count": 0, "resolved": True},
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
    )
    unknown: Row = {"state": None, "application_count": None}
    assert rows == [
        found("low", "users", "device-reassigned", unknown),
        found("low", "users", "device-removed", unknown, name="cy"),
        found("low", "users", "enrolled", unknown),
        found("low", "users", "idle", {"state": "STAGED", "application_count": None}),
        found("low", "users", "new", unknown),
    ]
