"""Asset tables, made from a few raw records and relationships."""

from datetime import UTC, datetime

import pytest

from tests.support.arrow import Row, contract_row, expected_user, run_transform

ALL_PULLED: list[Row] = [
    {"endpoint": endpoint} for endpoint in ("applications", "applications_users", "systemusers")
]


def pairs(first: str, second: str, *values: tuple[str, str]) -> list[Row]:
    return [{first: one, second: other} for one, other in values]


# Two users reach s1 and s2 through g1, and one of them again through g2.
MEMBERS = pairs("group_id", "system_id", ("g1", "s1"), ("g1", "s2"), ("g2", "s1"))
GROUP_USERS = pairs("group_id", "user_id", ("g1", "u1"), ("g1", "u2"), ("g2", "u1"), ("g3", "u1"))
HOLDERS = (("a1", "u1"), ("a1", "u2"), ("a2", "u1"), ("a2", "u3"))
APPLICATION_USERS = pairs("application_id", "user_id", *HOLDERS)


def test_system_groups_have_member_and_user_counts() -> None:
    groups: list[Row] = [
        {"id": "g2", "name": "", "description": "", "email": "", "membershipMethod": ""},
        {
            "id": "g1",
            "name": "Laptops",
            "description": "All of them",
            "email": "laptops@example.com",
            "membershipMethod": "STATIC",
        },
        {"id": "g9", "name": "Laptops"},
    ]
    rows = run_transform(
        "system_groups",
        systemgroups=groups,
        system_group_members=MEMBERS,
        system_group_users=GROUP_USERS,
    )
    assert rows == [
        contract_row(
            "system_groups",
            group_id="g1",
            name="Laptops",
            description="All of them",
            email="laptops@example.com",
            membership_method="STATIC",
            system_count=2,
            user_count=2,
            query_errors=[],
        ),
        contract_row("system_groups", group_id="g2", system_count=1, user_count=1, query_errors=[]),
        contract_row(
            "system_groups",
            group_id="g9",
            name="Laptops",
            system_count=0,
            user_count=0,
            query_errors=[],
        ),
    ]


def expected_system(**values: object) -> Row:
    counts = {"user_count": 0, "active_user_count": 0, "application_count": 0, "resolved": True}
    lists: Row = {"ipv4_addresses": [], "group_ids": [], "group_names": []}
    return contract_row("systems", **lists | counts | values)


def test_system_has_every_field_of_its_record() -> None:
    system: Row = {
        "_id": "s1",
        "hostname": "mac-1",
        "displayName": "Ann's Mac",
        "os": "Mac OS X",
        "osFamily": "darwin",
        "version": "15.1",
        "arch": "arm64",
        "serialNumber": "C02",
        "agentVersion": "2.1",
        "active": True,
        "created": "2024-05-01T10:00:00.000Z",
        "lastContact": "2026-01-02T05:04:05+02:00",
        "remoteIP": "203.0.113.9",
        "fde": {"active": True, "keyPresent": False},
        "allowMultiFactorAuthentication": True,
        "allowSshRootLogin": False,
        "allowSshPasswordAuthentication": True,
        "mdm": {"vendor": "internal", "enrollmentType": "device", "lostModeStatus": "disabled"}
        | {"dep": False, "userApproved": True},
        "primarySystemUser": {"id": "u1"},
        "organization": "org",
        "policyStats": {"total": 7, "failed": 2, "pending": 1, "success": 4}
        | {"duplicate": 5, "unsupportedOs": 6},
        "modifySSHDConfig": True,
        "hwVendor": "Apple Inc.",
        "osVersionDetail": {"releaseName": "Sequoia", "distributionName": "macOS"}
        | {"majorNumber": 15, "minorNumber": 1, "patchNumber": 2},
        "domainInfo": {"partOfDomain": True, "domainName": "corp.example.com"},
        "azureAdJoined": False,
        "systemInsights": {"state": "enabled"},
        "hasServiceAccount": True,
        "serviceAccountState": {"hasSecureToken": True, "passwordODValid": False}
        | {"passwordAPFSValid": True},
    }
    assert run_transform("systems", systems=[system], completeness=ALL_PULLED) == [
        expected_system(
            system_id="s1",
            hostname="mac-1",
            display_name="Ann's Mac",
            os="Mac OS X",
            os_family="darwin",
            os_version="15.1",
            arch="arm64",
            serial_number="C02",
            agent_version="2.1",
            active=True,
            created_at=datetime(2024, 5, 1, 10, tzinfo=UTC),
            last_contact_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            public_ip="203.0.113.9",
            disk_encrypted=True,
            mfa_enabled=True,
            ssh_root_login=False,
            ssh_password_login=True,
            mdm_vendor="internal",
            primary_user_id="u1",
            policies_total=7,
            policies_failed=2,
            recovery_key_present=False,
            hardware_vendor="Apple Inc.",
            ssh_managed=True,
            os_release_name="Sequoia",
            os_distribution_name="macOS",
            os_version_major=15,
            os_version_minor=1,
            os_version_patch=2,
            mdm_enrollment_type="device",
            mdm_dep=False,
            mdm_user_approved=True,
            mdm_lost_mode_status="disabled",
            part_of_domain=True,
            domain_name="corp.example.com",
            azure_ad_joined=False,
            system_insights_state="enabled",
            has_service_account=True,
            service_account_secure_token=True,
            service_account_password_od_valid=False,
            service_account_password_apfs_valid=True,
            policies_pending=1,
            policies_success=4,
            policies_duplicate=5,
            policies_unsupported_os=6,
        )
    ]


def test_system_with_empty_text_and_year_one_has_nulls() -> None:
    names = ("hostname", "displayName", "os", "osFamily", "version", "arch", "serialNumber")
    system: Row = dict.fromkeys((*names, "agentVersion", "remoteIP"), "") | {
        "_id": "s1",
        "created": "not a time",
        "lastContact": "0001-01-01T00:00:00Z",
        "mdm": {"vendor": ""},
        "primarySystemUser": {"id": ""},
    }
    assert run_transform("systems", systems=[system], completeness=ALL_PULLED) == [
        expected_system(system_id="s1")
    ]


def test_systems_have_groups_addresses_and_counts() -> None:
    rows = run_transform(
        "systems",
        systems=[{"_id": "s3"}, {"_id": "s1"}],
        completeness=ALL_PULLED,
        applications=[{"_id": "a1"}, {"_id": "a2"}],
        # Two groups may have the same name, and a group may be gone from its list.
        system_groups=[{"group_id": "g2", "name": "B"}, {"group_id": "g1", "name": "B"}],
        system_group_members=[
            {"group_id": "g2", "system_id": "s1"},
            {"group_id": "g1", "system_id": "s1"},
            {"group_id": "g1", "system_id": "s2"},
            {"group_id": "g9", "system_id": "s2"},
        ],
        system_group_users=GROUP_USERS,
        application_users=APPLICATION_USERS,
        system_ipv4_addresses=[
            {"system_id": "s1", "interface": "eth1", "address": "10.0.0.9"},
            {"system_id": "s1", "interface": "eth0", "address": "10.0.0.10"},
            {"system_id": "s1", "interface": "eth0", "address": "10.0.0.9"},
        ],
    )
    assert rows == [
        expected_system(
            system_id="s1",
            ipv4_addresses=["10.0.0.10", "10.0.0.9"],
            group_ids=["g1", "g2"],
            group_names=["B"],
            user_count=2,
            active_user_count=2,
            application_count=2,
        ),
        expected_system(
            system_id="s2",
            group_ids=["g1"],
            group_names=["B"],
            user_count=2,
            active_user_count=2,
            application_count=2,
            resolved=False,
        ),
        expected_system(system_id="s3"),
    ]


def test_users_include_unresolved_ids_from_every_relationship() -> None:
    rows = run_transform(
        "users",
        systemusers=[{"_id": "u1"}],
        completeness=ALL_PULLED,
        system_group_members=MEMBERS,
        # No system is a member of g3.
        system_group_users=[*GROUP_USERS, {"group_id": "g3", "user_id": "u5"}],
        application_users=APPLICATION_USERS,
        system_group_associations=[
            {"group_id": "g1", "target_type": "user", "target_id": "u4"},
            {"group_id": "g1", "target_type": "user_group", "target_id": "ug1"},
        ],
    )
    groups_of_user1 = ["g1", "g2", "g3"]
    assert rows == [
        expected_user(
            user_id="u1", system_count=2, application_count=2, system_group_ids=groups_of_user1
        ),
        expected_user(
            user_id="u2",
            system_count=2,
            application_count=1,
            system_group_ids=["g1"],
            resolved=False,
        ),
        expected_user(user_id="u3", application_count=1, resolved=False),
        expected_user(user_id="u4", resolved=False),
        expected_user(user_id="u5", system_group_ids=["g3"], resolved=False),
    ]


def test_application_has_fields_and_counts() -> None:
    empty: Row = dict.fromkeys(("name", "displayName", "displayLabel", "ssoUrl"), "")
    applications: list[Row] = [
        empty | {"_id": "a2", "sso": {"type": ""}, "created": "0001-01-01T00:00:00.000Z"},
        {
            "_id": "a1",
            "name": "wiki",
            "displayName": "Wiki",
            "displayLabel": "Our wiki",
            "sso": {"type": "saml", "idpCertExpirationAt": "2027-01-02T00:00:00.000Z"},
            "ssoUrl": "https://sso.example.com/wiki",
            "active": False,
            "created": "2025-02-03T04:05:06Z",
        },
        {"_id": "a3"},
    ]
    rows = run_transform(
        "applications",
        applications=applications,
        completeness=ALL_PULLED,
        system_group_members=MEMBERS,
        system_group_users=GROUP_USERS,
        application_users=[*APPLICATION_USERS, {"application_id": "a3", "user_id": "u3"}],
    )
    assert rows == [
        contract_row(
            "applications",
            application_id="a1",
            name="wiki",
            display_name="Wiki",
            display_label="Our wiki",
            sso_type="saml",
            sso_url="https://sso.example.com/wiki",
            active=False,
            created_at=datetime(2025, 2, 3, 4, 5, 6, tzinfo=UTC),
            idp_certificate_expires_at=datetime(2027, 1, 2, tzinfo=UTC),
            user_count=2,
            system_count=2,
            resolved=True,
        ),
        contract_row(
            "applications", application_id="a2", user_count=2, system_count=2, resolved=True
        ),
        contract_row(
            "applications", application_id="a3", user_count=1, system_count=0, resolved=True
        ),
    ]


@pytest.mark.parametrize(
    ("pulled", "applications", "count"),
    [
        ([], [], None),
        (["applications"], [{"_id": "a1"}], None),
        (["applications"], [], 0),
        (["applications", "applications_users"], [{"_id": "a1"}], 0),
    ],
)
def test_application_counts_are_null_unless_pulled(
    pulled: list[str], applications: list[Row], count: int | None
) -> None:
    completeness: list[Row] = [{"endpoint": endpoint} for endpoint in pulled]
    systems = run_transform(
        "systems",
        completeness=completeness,
        applications=applications,
        system_group_members=[{"group_id": "g1", "system_id": "s1"}],
    )
    unknown = {"active_user_count": None, "application_count": count, "resolved": False}
    assert systems == [expected_system(system_id="s1", **unknown)]
    users = run_transform(
        "users",
        completeness=completeness,
        applications=applications,
        system_group_associations=[{"target_type": "user", "target_id": "u1"}],
    )
    assert users == [expected_user(user_id="u1", application_count=count, resolved=False)]
    rows = run_transform("applications", completeness=completeness, applications=applications)
    assert rows == [
        contract_row(
            "applications",
            application_id="a1",
            user_count=count,
            system_count=count,
            resolved=True,
        )
        for _ in applications
    ]
