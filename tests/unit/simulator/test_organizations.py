"""Organizations are reproducible, hold secrets, and change while they are read."""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest

from pipelines.simulator import Behavior, Call, Organization, Sizes, generate
from tests.oracle import expected_tables
from tests.support.edge_cases import edge_cases
from tests.support.simulator_client import serving, tiny

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)


def _content(org: Organization) -> str:
    edges = [sorted(map(str, bound.items())) for bound in org.bindings.values()]
    return json.dumps([org.collections(), org.members, org.user_group_members, edges], default=str)


def test_equal_seeds_give_equal_organizations() -> None:
    assert _content(generate(3, now=NOW)) == _content(generate(3, now=NOW))
    assert _content(generate(3, now=NOW)) != _content(generate(4, now=NOW))
    assert _content(edge_cases(3)) == _content(edge_cases(3))


def test_dates_lie_before_now() -> None:
    org = generate(1, now=NOW)
    contacts = [row["last_contact_at"] for row in expected_tables(org)["systems"]]
    known = [contact for contact in contacts if isinstance(contact, datetime)]
    assert max(known) < NOW
    assert min(known) < NOW - timedelta(days=30)
    assert None in contacts


@pytest.mark.slow
def test_generated_company_is_plausible() -> None:
    org = generate()
    assert {record["os"] for record in org.systems.values()} == {
        "Windows",
        "Mac OS X",
        "Ubuntu",
        "iOS",
        "Android",
    }
    scopes = {row["scope"] for row in expected_tables(org)["ipv4_addresses"]}
    assert scopes == {"private", "cgnat"}
    names = [record["name"] for record in org.system_groups.values()]
    assert len(set(names)) == len(names) - 1
    assert any(not members for members in org.members.values())
    rows = expected_tables(org)["system_group_users"]
    assert {row["sudo"] for row in rows} == {True, False, None}
    assert any(row["direct"] and row["via_user_group_ids"] for row in rows)
    for record in org.systems.values():
        for entry in record.get("networkInterfaces", ()):
            assert ip_address(entry["address"]).version == int(entry["family"][-1])


@pytest.mark.parametrize(
    "sizes",
    [
        Sizes.empty(),
        Sizes(systems=1, users=0, system_groups=1, user_groups=0, applications=1),
        Sizes(systems=0, users=1, system_groups=1, user_groups=1, applications=0),
        Sizes(systems=3, users=2, system_groups=40, user_groups=30, applications=20, policies=0),
        Sizes(systems=10, users=2, system_groups=7, memberships=33),
    ],
)
def test_every_size_can_be_generated(sizes: Sizes) -> None:
    org = generate(1, sizes)
    assert len(org.systems) == sizes.systems
    assert len(org.users) == sizes.users
    assert len(org.system_groups) == sizes.system_groups
    assert len(org.user_groups) == sizes.user_groups
    assert len(org.applications) == sizes.applications
    assert expected_tables(org)["systems"] == sorted(
        expected_tables(org)["systems"], key=lambda row: str(row["system_id"])
    )
    if sizes.memberships is not None:
        assert sum(map(len, org.members.values())) == sizes.memberships


@pytest.mark.parametrize("org", [generate(), edge_cases()], ids=["company", "edge cases"])
def test_secrets_are_served_and_recognizable(org: Organization) -> None:
    secrets = org.secrets()
    assert org.api_key in secrets
    assert all(len(secret) >= 20 for secret in secrets)
    assert {secret[:9] for secret in secrets - {org.api_key, org.account.api_key}} == {"simsecret"}
    tables = str(expected_tables(org, views=False))
    assert not [secret for secret in secrets if secret in tables]
    with serving(org) as api:
        paths = ("/api/systems", "/api/systemusers", "/api/applications")
        served = "".join(json.dumps(api.all_rows(path, sort="_id")) for path in paths)
    assert sum(secret in served for secret in secrets) > 10


def test_edits_show_at_once() -> None:
    org, ids = tiny()
    with serving(org) as api:
        members = f"/api/v2/systemgroups/{ids['office']}/members"
        users = f"/api/v2/systemgroups/{ids['office']}/users"
        assert len(api.rows(members)) == 1
        new = org.add_system(hostname="new")
        org.add_member(ids["office"], new)
        assert [row["to"]["id"] for row in api.rows(members)] == [ids["laptop"], new]
        org.remove_system(ids["laptop"])
        assert [row["to"]["id"] for row in api.rows(members)] == [new]
        assert api.get(members).headers["x-total-count"] == "2"
        org.remove_user(ids["ben"])
        assert [row["id"] for row in api.rows(users)] == [ids["anna"]]
        org.unbind(ids["office"], "user_group", ids["staff"])
        org.update(new, hostname="renamed")
        hostnames = {row["hostname"] for row in api.rows("/api/systems")}
        assert hostnames == {"server", "renamed"}
        org.remove_group(ids["office"])
        assert api.get(members).status_code == 404
    tables = expected_tables(org)
    assert [row["group_id"] for row in tables["system_groups"]] == [ids["empty"]]
    assert tables["system_group_members"] == []
    assert {row["system_id"] for row in tables["systems"]} == {ids["server"], new}


def test_hidden_record_stays_in_the_graph() -> None:
    org, ids = tiny()
    org.hide(ids["laptop"])
    org.hide(ids["ben"])
    tables = expected_tables(org)
    resolved = {row["system_id"]: row["resolved"] for row in tables["systems"]}
    assert resolved == {ids["laptop"]: False, ids["server"]: True}
    assert [row["user_id"] for row in tables["users"] if not row["resolved"]] == [ids["ben"]]


def test_remaining_edits() -> None:
    org, ids = tiny()
    org.remove_member(ids["staff"], ids["ben"])
    org.remove_member(ids["office"], ids["laptop"])
    org.remove_application(ids["wiki"])
    org.remove_group(ids["staff"])
    baseline = org.add_group("Baseline", "policy_group")
    org.bind(ids["office"], "policy_group", baseline)
    org.remove_group(baseline)
    tables = expected_tables(org)
    assert tables["applications"] == tables["system_group_members"] == []
    assert [row["user_id"] for row in tables["system_group_users"]] == [ids["anna"]]
    assert len(tables["system_group_associations"]) == 1
    with pytest.raises(KeyError):
        org.update("0" * 24, name="nobody")


def test_organization_can_change_between_calls() -> None:
    org, ids = tiny()

    def edit(number: int, call: Call) -> None:
        assert call.status == 0
        if number == 2:
            org.add_member(ids["office"], ids["server"])

    with serving(org, Behavior(on_call=edit)) as api:
        path = f"/api/v2/systemgroups/{ids['office']}/members"
        assert [len(api.rows(path)) for _ in range(3)] == [1, 2, 2]
