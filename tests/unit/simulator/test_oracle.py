"""The expected tables of a hand-made organization, and their agreement with the API."""

from datetime import UTC, datetime
from typing import Any

import pytest

from pipelines.config.integration import ALL_TARGETS
from pipelines.simulator import ABSENT, Organization, generate
from tests.oracle import expected_tables
from tests.support.edge_cases import edge_cases
from tests.support.simulator_client import serving, tiny

Row = dict[str, Any]
SECOND_OF_2021 = datetime(2021, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)


def _empty(names: str) -> Row:
    return dict.fromkeys(names.split())


NO_SYSTEM: Row = (
    _empty(
        "hostname display_name os os_family os_version arch serial_number agent_version active "
        "created_at last_contact_at public_ip"
    )
    | {"ipv4_addresses": []}
    | _empty("disk_encrypted mfa_enabled ssh_root_login ssh_password_login mdm_vendor")
    | {"primary_user_id": None}
)
ADDED = (
    "recovery_key_present hardware_vendor hardware_kind ssh_managed os_release_name "
    "os_distribution_name os_version_major os_version_minor os_version_patch mdm_enrollment_type "
    "mdm_dep mdm_user_approved mdm_lost_mode_status part_of_domain domain_name azure_ad_joined "
    "system_insights_state has_service_account service_account_secure_token "
    "service_account_password_od_valid service_account_password_apfs_valid policies_pending "
    "policies_success policies_duplicate policies_unsupported_os"
)
NO_MORE_OF_SYSTEM = _empty(f"policies_total policies_failed active_user_count {ADDED}")
NO_USER: Row = _empty(
    "username email display_name first_name last_name state activated suspended account_locked "
    "mfa_configured totp_enabled global_admin passwordless_sudo department job_title company "
    "location employee_id employee_type manager_id password_expired password_never_expires "
    "created_at"
)


NO_MORE_OF_USER: Row = _empty(
    "mfa_status mfa_totp_status mfa_webauthn_status mfa_push_status mfa_sms_status "
    "mfa_jumpcloud_go_status mfa_exclusion mfa_exclusion_until system_username unix_uid "
    "password_date password_expiration_date admin_role creation_source external_source_type "
    "cost_center alternate_email"
)

GRANTED = {"sudo": True, "sudo_without_password": False}
UNDEFINED = {"sudo": None, "sudo_without_password": None}


def _by_key(*rows: Row) -> list[Row]:
    return sorted(rows, key=lambda row: [str(value) for value in list(row.values())[:2]])


def test_tiny_organization_systems() -> None:
    org, ids = tiny()
    systems = expected_tables(org)["systems"]
    laptop = NO_SYSTEM | {
        "hostname": "laptop",
        "display_name": "Anna's laptop",
        "os": "Windows",
        "os_family": "windows",
        "os_version": "11 Pro",
        "active": True,
        "created_at": datetime(2024, 2, 1, 8, 15, 30, 125000, tzinfo=UTC),
        "ipv4_addresses": ["10.0.0.5", "100.64.1.1"],
        "group_ids": [ids["office"]],
        "group_names": ["Office"],
        "user_count": 2,
        "application_count": 1,
        "resolved": True,
        **NO_MORE_OF_SYSTEM,
        "active_user_count": 1,
    }
    server = NO_SYSTEM | {
        "hostname": "server",
        "os": "Ubuntu",
        "os_family": "linux",
        "os_version": "24.04",
        "active": True,
        "created_at": SECOND_OF_2021,
        "last_contact_at": SECOND_OF_2021,
        "ipv4_addresses": ["10.0.0.5"],
        "group_ids": [],
        "group_names": [],
        "user_count": 0,
        "application_count": 0,
        "resolved": True,
        **NO_MORE_OF_SYSTEM,
        "active_user_count": 0,
    }
    expected = _by_key({"system_id": ids["laptop"]} | laptop, {"system_id": ids["server"]} | server)
    assert systems == expected
    assert [list(row) for row in systems] == [list(row) for row in expected]


def test_tiny_organization_users() -> None:
    org, ids = tiny()
    found = expected_tables(org)["users"]
    account = {"activated": True, "suspended": False, "account_locked": False}
    reach = {"system_group_ids": [ids["office"]], "system_count": 1, "application_count": 1}
    users = {
        "anna": {"display_name": "Anna", "state": "ACTIVATED", "department": "IT"},
        "ben": {"display_name": "Ben", "state": "STAGED"},
    }
    expected = _by_key(
        *(
            {"user_id": ids[name]}
            | NO_USER
            | {"username": name, "created_at": SECOND_OF_2021}
            | {"email": org.users[ids[name]]["email"]}
            | own
            | account
            | reach
            | {"resolved": True}
            | NO_MORE_OF_USER
            for name, own in users.items()
        )
    )
    assert found == expected
    assert [list(row) for row in found] == [list(row) for row in expected]


def test_tiny_organization_applications_and_addresses() -> None:
    org, ids = tiny()
    tables = expected_tables(org)
    assert tables["applications"] == [
        {
            "application_id": ids["wiki"],
            "name": "wiki",
            "display_name": org.applications[ids["wiki"]]["displayName"],
            "display_label": "Wiki",
            "sso_type": "saml",
            "sso_url": None,
            "active": True,
            "created_at": SECOND_OF_2021,
            "user_count": 2,
            "system_count": 1,
            "resolved": True,
            "idp_certificate_expires_at": None,
        }
    ]
    both = sorted((ids["laptop"], ids["server"]))
    assert tables["ipv4_addresses"] == [
        _address("10.0.0.5", "private", both, ["eth0"]),
        _address("100.64.1.1", "cgnat", [ids["laptop"]], ["vpn"]),
    ]
    assert tables["system_ipv4_addresses"] == _by_key(
        {"system_id": ids["laptop"], "interface": "eth0", "address": "10.0.0.5"},
        {"system_id": ids["laptop"], "interface": "vpn", "address": "100.64.1.1"},
        {"system_id": ids["server"], "interface": "eth0", "address": "10.0.0.5"},
    )
    scopes = {"10.0.0.5": "private", "100.64.1.1": "cgnat"}
    assert tables["system_ip_addresses"] == [
        row | {"family": 4, "scope": scopes[row["address"]]}
        for row in tables["system_ipv4_addresses"]
    ]


def _address(address: str, scope: str, systems: list[str], interfaces: list[str]) -> Row:
    return {
        "address": address,
        "scope": scope,
        "system_ids": systems,
        "system_count": len(systems),
        "interfaces": interfaces,
    }


def test_tiny_organization_groups() -> None:
    org, ids = tiny()
    tables = expected_tables(org)
    office = {"group_id": ids["office"]}
    nothing = {"description": None, "email": None, "membership_method": "STATIC"}
    no_rule: Row = {"member_query": None, "member_exemptions": None, "query_errors": []}
    assert tables["system_groups"] == _by_key(
        {"group_id": ids["empty"], "name": "Empty"}
        | nothing
        | {"system_count": 0, "user_count": 0}
        | no_rule,
        office
        | {"name": "Office"}
        | nothing
        | {"description": "All of it", "system_count": 1, "user_count": 2}
        | no_rule,
    )
    assert tables["system_group_members"] == [office | {"system_id": ids["laptop"]}]


def test_tiny_organization_bindings() -> None:
    org, ids = tiny()
    tables = expected_tables(org)
    office = {"group_id": ids["office"]}
    via = {"via_user_group_ids": [ids["staff"]]}
    via_names = {"via_user_group_names": ["Staff"]}
    assert tables["system_group_users"] == _by_key(
        office | {"user_id": ids["anna"], "direct": True} | via | GRANTED | via_names,
        office | {"user_id": ids["ben"], "direct": False} | via | UNDEFINED | via_names,
    )
    sudo = {"enabled": True, "withoutPassword": False}
    assert tables["system_group_associations"] == [
        office
        | {"target_type": "user", "target_id": ids["anna"]}
        | GRANTED
        | {"attributes": {"sudo": sudo}, "target_name": "anna"},
        office
        | {"target_type": "user_group", "target_id": ids["staff"]}
        | UNDEFINED
        | {"attributes": None, "target_name": "Staff"},
    ]
    wiki = {"application_id": ids["wiki"]}
    holding = {"direct": False} | via | via_names
    assert tables["application_users"] == _by_key(
        wiki | {"user_id": ids["anna"]} | holding, wiki | {"user_id": ids["ben"]} | holding
    )


def test_tiny_organization_views() -> None:
    org, ids = tiny()
    tables = expected_tables(org)
    laptop = {"system_id": ids["laptop"]}
    by_office = {"via_group_ids": [ids["office"]]}
    no_direct: Row = {"direct": False, "via_user_group_ids": [], "via_user_group_names": []}
    assert tables["system_users"] == _by_key(
        laptop | {"user_id": ids["anna"]} | by_office | GRANTED | no_direct,
        laptop | {"user_id": ids["ben"]} | by_office | UNDEFINED | no_direct,
    )
    wiki = {"application_id": ids["wiki"]}
    assert tables["system_applications"] == [laptop | wiki | {"user_count": 2}]
    holding = {
        "direct": False,
        "via_user_group_ids": [ids["staff"]],
        "via_user_group_names": ["Staff"],
    }
    assert tables["user_applications"] == _by_key(
        {"user_id": ids["anna"]} | wiki | holding, {"user_id": ids["ben"]} | wiki | holding
    )


def test_assets_without_details_have_only_ids() -> None:
    org, ids = tiny()
    tables = expected_tables(org, details=False, associations=("user_group",))
    assert tables["systems"] == [
        {"system_id": ids["laptop"]}
        | NO_SYSTEM
        | {"group_ids": [ids["office"]], "group_names": ["Office"], "user_count": 2}
        | {"application_count": None, "resolved": False, **NO_MORE_OF_SYSTEM}
    ]
    assert {row["user_id"] for row in tables["users"]} == {ids["anna"], ids["ben"]}
    assert all(row["application_count"] is None for row in tables["users"])
    assert [row["target_type"] for row in tables["system_group_associations"]] == ["user_group"]
    for name in ("applications", "application_users", "ipv4_addresses", "system_ipv4_addresses"):
        assert tables[name] == []


def test_compiled_attributes_override_sudo() -> None:
    org, ids = tiny()
    for compiled, expected in (
        ({"sudo": {"enabled": False, "withoutPassword": True}}, (False, False)),
        ({"sudo": {"enabled": True, "withoutPassword": True}}, (True, True)),
        ({"sudo": None}, (True, False)),
        (None, (True, False)),
        (ABSENT, (True, False)),
    ):
        with org.edit():
            org.compiled[ids["office"], ids["anna"]] = compiled
        rows = expected_tables(org)["system_group_users"]
        anna = next(row for row in rows if row["user_id"] == ids["anna"])
        assert (anna["sudo"], anna["sudo_without_password"]) == expected


@pytest.mark.slow
@pytest.mark.parametrize("org", [generate(), edge_cases()], ids=["company", "edge cases"])
def test_expected_tables_match_the_api(org: Organization) -> None:
    """Compare with a simple reader that applies the rule for compiled attributes."""
    tables = expected_tables(org)
    members, users, holders, edges = set(), set(), set(), set()
    with serving(org) as api:
        for group_id in org.system_groups.keys() - org.vanished:
            path = f"/api/v2/systemgroups/{group_id}"
            for row in api.all_rows(f"{path}/members"):
                members.add((group_id, row["to"]["id"]))
            users |= {(group_id, *_grant(row)) for row in api.all_rows(f"{path}/users")}
            for target in ALL_TARGETS:
                for row in api.all_rows(f"{path}/associations", targets=target):
                    edges.add((group_id, target, row["to"]["id"]))
        for application_id in org.applications.keys() - org.vanished:
            rows = api.all_rows(f"/api/v2/applications/{application_id}/users")
            holders |= {(application_id, *_grant(row)[:3]) for row in rows}
        systems = {row["id"] for row in api.all_rows("/api/systems", sort="_id")}
        known = {row["id"] for row in api.all_rows("/api/systemusers", sort="_id")}
    assert systems == {row["system_id"] for row in tables["systems"] if row["resolved"]}
    assert known == {row["user_id"] for row in tables["users"] if row["resolved"]}
    assert edges == {tuple(row.values())[:3] for row in tables["system_group_associations"]}
    assert members == {tuple(row.values()) for row in tables["system_group_members"]}
    assert users == {_without_names(row) for row in tables["system_group_users"]}
    assert holders == {_without_names(row) for row in tables["application_users"]}


def _without_names(row: Row) -> tuple[Any, ...]:
    return tuple(
        tuple(value) if isinstance(value, list) else value
        for column, value in row.items()
        if column != "via_user_group_names"
    )


def _grant(row: Row) -> tuple[Any, ...]:
    direct = any(len(path) == 1 for path in row["paths"])
    steps = [step for path in row["paths"] for step in path]
    via = {step["to"]["id"] for step in steps if step["to"]["type"] == "user_group"}
    compiled = (row.get("compiledAttributes") or {}).get("sudo")
    granted = [(step.get("attributes") or {}).get("sudo") for step in steps]
    sudos = [compiled] if compiled else [sudo for sudo in granted if sudo]
    enabled = any(sudo["enabled"] for sudo in sudos) if sudos else None
    without = any(sudo["enabled"] and sudo["withoutPassword"] for sudo in sudos) if sudos else None
    return row["id"], direct, tuple(sorted(via)), enabled, without
