"""Findings about groups and applications on organizations of a few rows."""

from datetime import timedelta

from tests.support.tables import (
    day,
    find,
    found,
    latest,
    pull,
    thresholds,
)


def test_groups_with_passwordless_sudo() -> None:
    rows = find(
        "groups_with_passwordless_sudo",
        system_groups=[
            {"group_id": "users", "name": "Servers", "system_count": 3},
            {"group_id": "target", "system_count": 0},
            {"group_id": "regranted"},
            {"group_id": "sudo-only", "system_count": 1},
            {"group_id": "unknown", "system_count": 1},
        ],
        system_group_users=[
            {"group_id": "users", "user_id": "ann", "sudo_without_password": True},
            {"group_id": "users", "user_id": "bob", "sudo_without_password": True},
            {"group_id": "users", "user_id": "cy", "sudo_without_password": False},
            {"group_id": "regranted", "user_id": "ann", "sudo_without_password": True},
            {"group_id": "sudo-only", "user_id": "ann", "sudo": True},
            {"group_id": "unknown", "user_id": "ann"},
        ],
        system_group_associations=[
            {
                "group_id": "target",
                "target_type": "user_group",
                "target_id": "ops",
                "target_name": "Operations",
                "sudo_without_password": True,
            },
            # Without a name, as in the snapshots of an earlier version.
            {"group_id": "target", "target_type": "user", "target_id": "ann"}
            | {"sudo_without_password": True},
            {"group_id": "sudo-only", "target_type": "user", "target_id": "ann", "sudo": True},
        ],
    )
    assert rows == [
        found(
            "high",
            "system_groups",
            "regranted",
            {"system_count": None, "user_count": 1, "targets": []},
        ),
        found(
            "high",
            "system_groups",
            "target",
            {
                "system_count": 0,
                "user_count": 0,
                "targets": [
                    {"type": "user", "id": "ann", "name": "ann"},
                    {"type": "user_group", "id": "ops", "name": "Operations"},
                ],
            },
        ),
        found(
            "high",
            "system_groups",
            "users",
            {"system_count": 3, "user_count": 2, "targets": []},
            name="Servers",
        ),
    ]


def test_groups_without_members() -> None:
    rows = find(
        "groups_without_members",
        system_groups=[
            {"group_id": "empty", "system_count": 0, "user_count": 2},
            {"group_id": "new", "system_count": 0},
            {"group_id": "emptied", "name": "Lab", "system_count": 0, "user_count": 0},
            {"group_id": "one-device", "system_count": 1, "user_count": 2},
            {"group_id": "empty", "system_count": 1, "integration": "zeta"},
        ],
    )
    assert rows == [
        found("low", "system_groups", "emptied", {"user_count": 0}, name="Lab"),
        found("low", "system_groups", "empty", {"user_count": 2}),
        found("low", "system_groups", "new", {"user_count": None}),
    ]


def test_applications_without_users() -> None:
    rows = find(
        "applications_without_users",
        applications=[
            {"application_id": "new", "active": True, "user_count": 0},
            {"application_id": "unused", "display_label": "Wiki", "user_count": 0},
            {"application_id": "unchanged", "user_count": 0},
            {"application_id": "one-user", "user_count": 1},
            {"application_id": "not-pulled"},
        ],
    )
    assert rows == [
        found("low", "applications", "new", {"active": True}),
        found("low", "applications", "unchanged", {"active": None}),
        found("low", "applications", "unused", {"active": None}, name="Wiki"),
    ]


def test_applications_with_expiring_certificate() -> None:
    second = timedelta(seconds=1)
    ends = {"ended": day(10), "soon": day(70) - second, "later": day(70), "enabled": day(45)}
    rows = find(
        "applications_with_expiring_certificate",
        integrations=latest(40),
        snapshots=[pull(39), pull(40)],
        applications=[
            *(
                {"application_id": name, "idp_certificate_expires_at": end, "user_count": 2}
                for name, end in ends.items()
            ),
            {"application_id": "off", "active": False, "idp_certificate_expires_at": day(10)},
            {"application_id": "without"},
        ],
        thresholds=thresholds(certificate_days=30),
    )
    assert rows == [
        found(
            "medium",
            "applications",
            name,
            {"expires_at": f"{ends[name]:%Y-%m-%dT%H:%M:%SZ}", "days_left": left, "user_count": 2},
        )
        for name, left in (("enabled", 5), ("ended", -30), ("soon", 29))
    ]
