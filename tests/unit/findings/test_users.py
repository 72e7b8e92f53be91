"""Findings about users, on a few rows each."""

from tests.support.tables import (
    Row,
    added,
    changed,
    day,
    find,
    found,
    read,
    removed,
    unrelated,
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
        changes=[
            added(2, "users", "suspended"),
            changed(3, "users", "suspended", "suspended", False, True),
            changed(4, "users", "suspended", "system_count", 0, 1),
            changed(5, "users", "suspended", "system_count", 1, 2),
            changed(3, "users", "state", "state", "ACTIVATED", "SUSPENDED"),
            added(5, "application_users", "on/locked"),
            changed(2, "applications", "unknown", "active", False, True),
            changed(4, "applications", "unknown", "active", False, None),
            *unrelated(9, "users", "suspended"),
            *unrelated(9, "application_users", "unknown/locked"),
            *unrelated(9, "applications", "unknown"),
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


def test_suspended_users_with_access_since_earliest_reason() -> None:
    suspended: Row = {"suspended": True, "system_count": 1}
    rows = find(
        "suspended_users_with_access",
        users=[
            {"user_id": "three-reasons", "account_locked": True, "state": "SUSPENDED"} | suspended,
            {"user_id": "two-kinds-of-access"} | suspended,
            {"user_id": "added-again"} | suspended,
            {"user_id": "locked", "account_locked": True, "system_count": 1},
        ],
        applications=[{"application_id": "wiki"}],
        application_users=[{"application_id": "wiki", "user_id": "two-kinds-of-access"}],
        changes=[
            changed(2, "users", "three-reasons", "suspended", False, True),
            changed(6, "users", "three-reasons", "suspended", False, True),
            changed(2, "users", "three-reasons", "state", "ACTIVATED", "SUSPENDED"),
            changed(4, "users", "three-reasons", "state", "ACTIVATED", "SUSPENDED"),
            changed(5, "users", "three-reasons", "account_locked", False, True),
            changed(2, "users", "two-kinds-of-access", "system_count", 0, 1),
            changed(5, "users", "two-kinds-of-access", "system_count", 0, 1),
            added(2, "application_users", "wiki/two-kinds-of-access"),
            added(3, "application_users", "wiki/two-kinds-of-access"),
            added(2, "users", "added-again"),
            added(3, "users", "added-again"),
            changed(2, "users", "locked", "account_locked", False, True),
            changed(3, "users", "locked", "account_locked", True, False),
            changed(4, "users", "locked", "account_locked", False, True),
            *unrelated(9, "users", "locked"),
        ],
    )
    assert {row["asset_id"]: row["since"] for row in rows} == {
        "three-reasons": day(4),
        "two-kinds-of-access": day(3),
        "added-again": day(3),
        "locked": day(4),
    }


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
        changes=[
            changed(2, "users", "admin", "mfa_configured", True, False),
            changed(3, "users", "admin", "global_admin", None, True),
            added(2, "system_group_users", "servers/bound"),
            changed(4, "system_group_users", "servers/bound", "sudo", False, True),
            changed(5, "system_groups", "servers", "system_count", 1, 2),
            *unrelated(9, "users", "admin"),
            changed(6, "users", "lapsed", "mfa_status", "ENROLLED", "ENROLLMENT_EXPIRED"),
            *unrelated(9, "system_group_users", "servers/bound"),
            *unrelated(9, "system_groups", "servers"),
        ],
    )
    assert rows == [
        found(
            "high",
            "users",
            "admin",
            {"state": "ACTIVATED", "global_admin": True, "sudo_group_ids": []}
            | {"mfa_exclusion": None, **NOT_DIRECT},
            day(3),
        ),
        found(
            "high",
            "users",
            "bound",
            {"state": None, "global_admin": None, "sudo_group_ids": ["servers"]}
            | {"mfa_exclusion": None, **NOT_DIRECT},
            day(4),
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
            day(6),
            name="cy@x.org",
        ),
    ]


def test_users_without_mfa_with_sudo_since_latest_fact() -> None:
    admin: Row = {"mfa_configured": False, "global_admin": True, "system_count": 1}
    rows = find(
        "users_without_mfa_with_sudo",
        users=[
            *({"user_id": name} | admin for name in ("added", "mfa", "totp", "device", "sudo")),
            {"user_id": "two-kinds-of-sudo"} | admin,
            {"user_id": "bound-before", "mfa_configured": False, "system_count": 1},
        ],
        system_groups=[{"group_id": name, "system_count": 1} for name in ("old", "new")],
        system_group_users=[
            {"group_id": "old", "user_id": "two-kinds-of-sudo", "sudo": True},
            {"group_id": "new", "user_id": "two-kinds-of-sudo", "sudo": True},
            {"group_id": "old", "user_id": "bound-before", "sudo": True},
        ],
        changes=[
            added(2, "users", "added"),
            added(3, "users", "added"),
            changed(3, "users", "mfa", "mfa_configured", True, False),
            changed(4, "users", "mfa", "mfa_configured", False, True),
            changed(5, "users", "mfa", "mfa_configured", True, False),
            changed(2, "users", "totp", "totp_enabled", True, False),
            changed(3, "users", "totp", "totp_enabled", False, True),
            changed(4, "users", "totp", "totp_enabled", True, False),
            changed(2, "users", "device", "system_count", 0, 1),
            changed(3, "users", "device", "system_count", 0, 1),
            changed(4, "users", "device", "system_count", 1, 2),
            changed(2, "users", "sudo", "global_admin", False, True),
            changed(3, "users", "sudo", "global_admin", True, False),
            changed(4, "users", "sudo", "global_admin", False, True),
            changed(5, "users", "two-kinds-of-sudo", "global_admin", False, True),
            added(2, "system_group_users", "old/two-kinds-of-sudo"),
            changed(2, "system_groups", "old", "system_count", 0, 1),
            changed(3, "system_groups", "old", "system_count", 0, 1),
            added(4, "system_group_users", "new/two-kinds-of-sudo"),
            *(change for name in ("mfa", "totp", "sudo") for change in unrelated(9, "users", name)),
        ],
    )
    assert {row["asset_id"]: row["since"] for row in rows} == {
        "added": day(3),
        "bound-before": day(3),
        "mfa": day(5),
        "totp": day(4),
        "device": day(3),
        "sudo": day(4),
        "two-kinds-of-sudo": day(3),
    }


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
        changes=[
            added(2, "users", "idle"),
            changed(3, "users", "idle", "system_count", 1, 0),
            changed(4, "users", "idle", "system_count", 0, 1),
            changed(5, "users", "idle", "system_count", 1, 0),
            *unrelated(9, "users", "idle"),
            removed(3, "systems", "old-laptop", primary_user_id="device-removed"),
            removed(4, "systems", "old-phone", primary_user_id="device-removed"),
            changed(4, "systems", "laptop", "primary_user_id", "device-reassigned", "primary"),
            added(2, "users", "new"),
            changed(5, "users", "enrolled", "resolved", False, True),
        ],
    )
    unknown: Row = {"state": None, "application_count": None}
    assert rows == [
        found("low", "users", "device-reassigned", unknown, day(4)),
        found("low", "users", "device-removed", unknown, day(4), name="cy"),
        found("low", "users", "enrolled", unknown, day(5)),
        found("low", "users", "idle", {"state": "STAGED", "application_count": None}, day(5)),
        found("low", "users", "new", unknown, day(2)),
    ]
