"""The views that count the findings, on a few rows."""

import json
import re

from pipelines.findings.catalog import FINDINGS
from pipelines.jumpcloud.endpoints import ENDPOINTS
from tests.support.publisher import Rows
from tests.support.tables import Row, day, inventory, latest, pull, query_inventory, record_findings

ALL_ENDPOINTS = sorted({name for finding in FINDINGS for name in finding.required_endpoints})
COMPARISONS = {finding.name for finding in FINDINGS if finding.compares_snapshots}
WITH_TARGETS = {finding.name for finding in FINDINGS if finding.required_targets}


def unanswerable(*pulls: Row, targets: str = "user,user_group") -> set[str]:
    """Return the findings that cannot be answered after these pulls, the latest on day 3."""
    lists: Rows = [{"endpoint": "systemgroups_associations", "target": targets}]
    rows = query_inventory(
        "SELECT finding FROM findings.questions WHERE NOT answerable",
        integrations=latest(3),
        snapshots=list(pulls),
        completeness=lists,
    )
    return {str(row["finding"]) for row in rows}


def test_comparison_is_unanswerable_after_first_pull() -> None:
    assert unanswerable(pull(3, *ALL_ENDPOINTS)) == COMPARISONS
    assert unanswerable(pull(2, *ALL_ENDPOINTS), pull(3, *ALL_ENDPOINTS)) == set()


def test_finding_is_unanswerable_without_its_endpoint() -> None:
    pulls = [pull(n, *(name for name in ALL_ENDPOINTS if name != "systems")) for n in (2, 3)]
    expected = {f.name for f in FINDINGS if "systems" in f.required_endpoints}
    assert unanswerable(*pulls) == expected
    assert unanswerable(pulls[0], pull(3, *ALL_ENDPOINTS)) == expected & COMPARISONS
    assert unanswerable(pull(1, *ALL_ENDPOINTS), *pulls) == expected


def test_list_of_application_users_is_optional_without_applications() -> None:
    endpoints = [name for name in ALL_ENDPOINTS if name != "applications_users"]
    assert unanswerable(*(pull(n, *endpoints, applications=0) for n in (2, 3))) == set()
    assert unanswerable(*(pull(n, *endpoints, applications=1) for n in (2, 3))) == {
        finding.name for finding in FINDINGS if "applications_users" in finding.required_endpoints
    }


def test_direct_bindings_are_read_by_user_or_by_device() -> None:
    def is_unknown(*endpoints: str, **rows: int) -> bool:
        return "systems_with_direct_sudo" in unanswerable(pull(3, *others, *endpoints, **rows))

    bindings = ("users_associations", "usergroups_associations")
    others = [name for name in ALL_ENDPOINTS if name not in bindings]
    assert not is_unknown(*bindings)
    assert not is_unknown("systems_associations", "usergroups_associations")
    assert is_unknown("usergroups_associations", users=1, systems=1)
    assert is_unknown("users_associations", user_groups=1)
    # Nothing to be read.
    assert not is_unknown("usergroups_associations", users=1, systems=0)
    assert not is_unknown(users=0, user_groups=0)


def test_note_names_bindings_that_were_not_read() -> None:
    def notes(setting: str, *pulls: Row) -> dict[str, str]:
        rows = query_inventory(
            "SELECT q.finding, s.note FROM findings.questions q JOIN findings.summary s "
            "USING (integration, finding) WHERE q.note IS NOT NULL AND q.note = s.note",
            integrations=[row | {"direct_bindings": setting} for row in latest(3)],
            snapshots=list(pulls),
        )
        return {str(row["finding"]): str(row["note"]) for row in rows}

    bindings = ("users_associations", "usergroups_associations", "usergroups_members")
    others = [name for name in ALL_ENDPOINTS if name not in bindings]
    whole, without = pull(3, *others, *bindings), pull(3, *others, users=1, systems=1)
    before = pull(2, *others, user_groups=1)
    assert notes("read", whole) == {}
    assert notes("read", pull(2, *others, "systems_associations", *bindings[1:]), whole) == {}
    assert notes("read", before, whole).keys() == {"access_gained"}
    # Nothing to be read.
    assert notes("read", pull(3, *others, users=0, user_groups=0)) == {}
    for setting, text in (
        ("off", "without the bindings .* off"),
        ("partial", "without some bindings"),
        ("not read", "without the bindings"),
    ):
        found = notes(setting, without)
        assert found.keys() == {
            finding.name for finding in FINDINGS if finding.uses_direct_bindings
        }
        assert all(re.match(text, note) for note in found.values())


def test_finding_is_unanswerable_without_its_association_targets() -> None:
    pulls = [pull(n, *ALL_ENDPOINTS, system_groups=1) for n in (2, 3)]
    assert unanswerable(*pulls, targets="user,user_group") == set()
    assert unanswerable(*pulls, targets="user") == {"groups_with_passwordless_sudo"}
    assert unanswerable(*pulls, targets="policy") == WITH_TARGETS
    without_groups = [pull(n, *ALL_ENDPOINTS, system_groups=0) for n in (2, 3)]
    assert unanswerable(*without_groups, targets="policy") == set()


def test_finding_is_unanswerable_if_its_values_are_lost() -> None:
    whole, lossy = ([pull(n, *ALL_ENDPOINTS) for n in (2, 3)] for _ in range(2))
    for row in lossy:
        lost: Rows = [{"endpoint": "systemusers", "lost_fields": ["systemusers.sudo"]}]
        row["completeness"] = [{"endpoint": name} for name in ALL_ENDPOINTS] + lost
    expected = {one.name for one in FINDINGS if "systemusers.sudo" in one.required_fields}
    assert unanswerable(whole[0], lossy[1]) == expected
    assert unanswerable(lossy[0], whole[1]) == expected & COMPARISONS != set()


def test_required_fields_are_read() -> None:
    for field in {field for finding in FINDINGS for field in finding.required_fields}:
        endpoint, _, name = field.partition(".")
        assert name in ENDPOINTS[endpoint].schema.names


def test_query_returns_the_asset_and_the_evidence() -> None:
    asset = {"integration", "asset_type", "asset_id", "asset_name"}
    with inventory() as connection:
        for finding in FINDINGS:
            columns = connection.sql(finding.query).columns
            assert sorted(columns) == sorted(asset | finding.evidence.keys()), finding.name


def test_catalog_names_the_findings_of_each_integration() -> None:
    rows = query_inventory("FROM findings.catalog ORDER BY finding", integrations=latest(3))
    assert [row["finding"] for row in rows] == sorted(one.name for one in FINDINGS)
    first = rows[0]
    assert (first["integration"], first["finding"]) == ("acme", "access_gained")
    assert "user_group_id" in json.loads(str(first["evidence"]))
    assert first["compares_snapshots"]


def test_summary_counts_each_finding_or_is_null() -> None:
    with inventory(
        integrations=latest(3),
        snapshots=[pull(3, "systems", "applications", "applications_users")],
        systems=[
            {"system_id": "a", "group_ids": ["servers"], "first_seen_at": day(1)},
            {"system_id": "b", "resolved": True, "user_count": 0},
            {"system_id": "c"},
        ],
        thresholds=[{"many_devices": 10, "few_devices": 5}],
    ) as connection:
        record_findings(connection)
        counts = connection.sql(
            "SELECT finding, count FROM findings.summary WHERE severity = 'low'"
        ).fetchall()
    assert dict(counts) == {
        "applications_without_users": 0,
        "groups_without_members": 0,
        "shared_private_addresses": 0,
        "shared_public_addresses": 0,
        "systems_appeared": None,
        "systems_in_no_group": 2,
        "systems_with_same_serial_number": 0,
        "systems_without_users": 1,
        "users_without_systems": None,
    }
