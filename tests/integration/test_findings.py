"""The published findings equal those computed from the simulated organization."""

import json
import tempfile
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.config.thresholds import Thresholds
from pipelines.docgen import findings_page
from pipelines.findings.catalog import FINDINGS
from pipelines.publish.database import update_duckdb_file
from pipelines.simulator import Sizes, generate
from pipelines.simulator.data.records import sudo
from tests.oracle import expected_tables, findings
from tests.oracle.findings import Findings
from tests.support import ROOT
from tests.support.edge_cases import edge_cases
from tests.support.edits import SCRIPTS, Editor
from tests.support.planted_findings import plant_changes, planted_findings
from tests.support.publisher import FIRST_DAY, Publisher, Pulled, Rows, on_day

SEVERITIES = {finding.name: finding.severity for finding in FINDINGS}
TINY = Sizes(
    systems=10,
    users=8,
    system_groups=3,
    user_groups=2,
    applications=2,
    policies=1,
    policy_groups=1,
    commands=1,
)
# Findings with an exact `since`; for those in `NEVER_TOO_EARLY`, it may be too late.
EXACT = {
    "users_without_systems",
    "systems_without_users",
    "systems_in_no_group",
    "systems_with_failing_policies",
    "users_exempt_from_mfa_without_end",
    "groups_with_rule_errors",
    "groups_without_members",
    "applications_without_users",
    "shared_private_addresses",
    "systems_appeared",
    "systems_vanished",
    "access_gained",
    "unresolved_ids",
}
NEVER_TOO_EARLY = {
    "suspended_users_with_access",
    "users_without_mfa_with_sudo",
    "groups_with_passwordless_sudo",
    "unencrypted_systems_of_privileged_users",
    "shared_public_addresses",
    "systems_with_direct_sudo",
    "systems_with_unmanaged_administrators",
    "users_without_password_expiry_with_sudo",
    "systems_with_same_serial_number",
}


def day(number: int) -> datetime:
    return FIRST_DAY + timedelta(days=number)


COMPARE_SNAPSHOTS = {"systems_appeared", "systems_vanished", "access_gained"}


def read_findings(publisher: Publisher) -> Findings:
    """Return the published rows by finding."""
    rows = publisher.rows(
        " UNION ALL ".join(
            f"SELECT '{name}' AS name, * FROM findings.{name}" for name in SEVERITIES
        )
    )
    published: Findings = {name: [] for name in SEVERITIES}
    for row in rows:
        name = str(row.pop("name"))
        published[name].append(row | {"evidence": json.loads(str(row["evidence"]))})
    return published


def in_order(rows: Rows) -> list[str]:
    shown = ("asset_type", "asset_id", "asset_name", "evidence")
    return sorted(json.dumps({name: row[name] for name in shown}, sort_keys=True) for row in rows)


def assert_found(publisher: Publisher, expected: Findings) -> None:
    assert set(expected) == set(SEVERITIES)
    published = read_findings(publisher)
    for name, rows in expected.items():
        assert in_order(published[name]) == in_order(rows), name
        assert {row["severity"] for row in published[name]} <= {SEVERITIES[name]}
        assert {row["integration"] for row in published[name]} <= {"acme"}
        assert None not in {row["since"] for row in published[name]}, name
    summary = publisher.rows("FROM findings.summary")
    assert {row["finding"]: (row["severity"], row["count"]) for row in summary} == {
        name: (SEVERITIES[name], count)
        for name, count in expected_counts(publisher, expected).items()
    }


def expected_counts(publisher: Publisher, expected: Findings) -> dict[str, int | None]:
    """Return the number of rows of each finding; None if it needs a second snapshot."""
    ((snapshots,),) = [row.values() for row in publisher.rows("SELECT count(*) FROM snapshots")]
    unknown = COMPARE_SNAPSHOTS if snapshots == 1 else set[str]()
    return {name: None if name in unknown else len(rows) for name, rows in expected.items()}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_findings_match_oracle(
    seed: int, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = planted_findings(seed, day(1))
    before = expected_tables(organization, views=False)
    publisher.publish(on_day(1, pull(organization)))
    assert_found(publisher, findings(before, None, day(1)))

    plant_changes(organization)
    publisher.publish(on_day(2, pull(organization)))
    expected = findings(expected_tables(organization, views=False), before, day(2))
    assert all(expected.values()), [name for name, rows in expected.items() if not rows]
    assert_found(publisher, expected)


def test_findings_of_edge_cases_match_oracle(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = edge_cases()
    publisher.publish(on_day(1, pull(organization)))
    assert_found(publisher, findings(expected_tables(organization, views=False), None, day(1)))


def test_since_is_start_of_uninterrupted_finding(
    pull: Callable[..., Pulled], fast_tmp_path: Path
) -> None:
    @settings(max_examples=4, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(SCRIPTS, min_size=3, max_size=3))
    def check(scripts: list[list[tuple[str, tuple[int, int]]]]) -> None:
        organization = generate(1, TINY, day(0))
        editor = Editor(organization)
        first_found: dict[tuple[str, str], datetime] = {}
        before = None
        with tempfile.TemporaryDirectory(dir=fast_tmp_path) as folder:
            publisher = Publisher(Path(folder))
            for number, script in enumerate([[], *scripts]):
                for name, draws in script:
                    editor.edit(name, draws)
                pulled = on_day(number, pull(organization))
                publisher.commit(pulled, thresholds=Thresholds(many_devices=2))
                now = expected_tables(organization, views=False)
                found_now = findings(now, before, day(number), many_devices=2)
                before = now
                first_found = {key: first_found.get(key, day(number)) for key in keys(found_now)}
            update_duckdb_file(publisher.history, publisher.file)
            assert_since(publisher, first_found, day(len(scripts)))

    check()


def keys(found: Findings) -> set[tuple[str, str]]:
    return {(name, str(row["asset_id"])) for name, rows in found.items() for row in rows}


def assert_since(
    publisher: Publisher, first_found: dict[tuple[str, str], datetime], now: datetime
) -> None:
    for name, rows in read_findings(publisher).items():
        for row in rows:
            since, first = row["since"], first_found[name, str(row["asset_id"])]
            assert isinstance(since, datetime)
            assert since <= now, (name, row)
            if name in EXACT:
                # Findings about changes begin with the latest snapshot.
                is_new = name in {"systems_appeared", "systems_vanished", "access_gained"}
                assert since == (now if is_new else first), (name, row)
            if name in NEVER_TOO_EARLY:
                assert first <= since, (name, row)
            if name == "stale_systems_with_access":
                assert_stale_since(since, first, row["evidence"])


def assert_stale_since(since: datetime, first: datetime, evidence: object) -> None:
    """Check that it began when the device became stale, or when a user got access later."""
    assert isinstance(evidence, dict)
    if evidence["last_contact_at"] is None:
        return  # It counts from the enrollment, which the evidence does not have.
    stale = datetime.fromisoformat(evidence["last_contact_at"]) + timedelta(days=30)
    assert since.replace(microsecond=0) in {stale, max(stale, first)}, evidence


def test_since_is_the_later_of_two_facts(pull: Callable[..., Pulled], publisher: Publisher) -> None:
    organization = generate(1, Sizes.empty())
    alice = organization.add_user(mfa={"configured": False})
    contact = day(1) + timedelta(hours=12) - timedelta(days=30)
    laptop = organization.add_system(
        active=False, fde={"active": True}, lastContact=contact.isoformat()
    )
    servers = organization.add_group("Servers")
    organization.bind(servers, "user", alice, sudo())
    publisher.commit(on_day(0, pull(organization)))
    organization.add_member(servers, laptop)
    publisher.commit(on_day(1, pull(organization)))
    organization.update(alice, suspended=True)
    organization.update(laptop, fde={"active": False})
    publisher.commit(on_day(2, pull(organization)))
    organization.update(alice, account_locked=True)
    publisher.publish(on_day(3, pull(organization)))
    assert {
        name: [row["since"] for row in rows]
        for name, rows in read_findings(publisher).items()
        if rows
    } == {
        "users_without_mfa_with_sudo": [day(1)],
        "stale_systems_with_access": [day(1) + timedelta(hours=12)],
        "suspended_users_with_access": [day(2)],
        "unencrypted_systems_of_privileged_users": [day(2)],
    }


def test_pull_without_details_leaves_findings_unknown(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.publish(on_day(1, pull(planted_findings(1, day(1)), details=False)))
    summary = publisher.rows("SELECT finding FROM findings.summary WHERE count > 0")
    # Groups and their bindings are still pulled.
    of_groups = {name for name in SEVERITIES if name.startswith("groups_")}
    assert {row["finding"] for row in summary} == of_groups
    unknown = publisher.rows("SELECT finding FROM findings.summary WHERE count IS NULL")
    assert {row["finding"] for row in unknown} == SEVERITIES.keys() - of_groups


def test_skipped_lists_do_not_create_findings(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = planted_findings(1, day(1))
    skipped = ["systems", "applications", "applications_users"]
    publisher.publish(on_day(1, pull(organization, skip_endpoints=skipped)))
    published = read_findings(publisher)
    assert {row["asset_type"] for row in published["unresolved_ids"]} == {"users"}
    assert published["users_without_systems"] == []
    evidence = [row["evidence"] for row in published["suspended_users_with_access"]]
    assert {facts["application_count"] for facts in evidence} == {None}


def test_findings_do_not_depend_on_time_zone_or_path(
    pull: Callable[..., Pulled], publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = planted_findings(1, day(1))
    publisher.publish(on_day(1, pull(organization)))
    expected = findings(expected_tables(organization, views=False), None, day(1))
    moved = Publisher(publisher.home / "elsewhere")
    moved.home.mkdir()
    publisher.file.rename(moved.file)
    monkeypatch.setenv("TZ", "America/New_York")
    assert_found(moved, expected)


def test_each_integration_uses_its_own_thresholds(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = planted_findings(1, day(1))
    pulled = on_day(1, pull(organization))
    thresholds = {
        "acme": Thresholds(),
        "strict": Thresholds(stale_days=1, many_devices=2, few_devices=50),
        "lax": Thresholds(stale_days=3000, many_devices=500, few_devices=2),
    }
    for name, own in thresholds.items():
        publisher.commit(pulled, name, thresholds=own)
    update_duckdb_file(publisher.history, publisher.file)
    known = expected_tables(organization, views=False)
    summary = publisher.rows("FROM findings.summary")
    for name, own in thresholds.items():
        expected = findings(known, None, day(1), **own.model_dump())
        found = {row["finding"]: row["count"] for row in summary if row["integration"] == name}
        assert found == {
            finding: None if finding in COMPARE_SNAPSHOTS else len(rows)
            for finding, rows in expected.items()
        }


def test_findings_page_is_current() -> None:
    page = ROOT / "docs" / "reference" / "findings.md"
    assert page.read_text(encoding="utf-8") == findings_page()


def unknown_findings(publisher: Publisher) -> set[str]:
    rows = publisher.rows("SELECT finding FROM findings.summary WHERE count IS NULL")
    return {str(row["finding"]) for row in rows}


def test_new_assets_are_unknown_until_two_complete_pulls(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(1, TINY, day(0))
    for number, asked in enumerate(({"details": False}, {"details": False}, {})):
        publisher.publish(on_day(number, pull(organization, **asked)))
        assert unknown_findings(publisher) >= COMPARE_SNAPSHOTS
    assert unknown_findings(publisher) == COMPARE_SNAPSHOTS
    publisher.publish(on_day(3, pull(organization)))
    assert unknown_findings(publisher) == set()


def test_findings_are_unknown_without_application_users(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=Sizes.empty())
    organization.add_user()
    publisher.commit(on_day(1, pull(organization)))
    publisher.publish(on_day(2, pull(organization)))
    assert unknown_findings(publisher) == set()
    skipped = ["applications", "applications_users"]
    publisher.publish(on_day(3, pull(organization, skip_endpoints=skipped)))
    assert unknown_findings(publisher) == {
        "suspended_users_with_access",
        "applications_without_users",
        "applications_with_expiring_certificate",
        "access_gained",
        "unresolved_ids",
    }


def test_findings_are_unknown_while_their_values_are_lost(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=Sizes.empty())
    system = organization.add_system(fde="on", lastContact=1_700_000_000)
    for number in (1, 2):
        publisher.commit(on_day(number, pull(organization)))
    update_duckdb_file(publisher.history, publisher.file)
    assert unknown_findings(publisher) == {
        "unencrypted_systems_of_privileged_users",
        "stale_systems_with_access",
    }
    organization.update(system, fde={"active": True}, lastContact=None)
    publisher.publish(on_day(3, pull(organization)))
    assert unknown_findings(publisher) == set()


@pytest.mark.parametrize(
    ("targets", "unknown"),
    [
        (["policy"], {"groups_with_passwordless_sudo", "unresolved_ids"}),
        (["user", "policy"], {"groups_with_passwordless_sudo"}),
        (["user_group"], {"unresolved_ids"}),
        (["user", "user_group"], set()),
    ],
)
def test_findings_are_unknown_without_their_associations(
    targets: list[str], unknown: set[str], pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=Sizes.empty())
    publisher.publish(on_day(1, pull(organization, association_targets=targets)))
    assert unknown_findings(publisher) == COMPARE_SNAPSHOTS, (
        "without groups, there are no associations to read"
    )
    servers = organization.add_group("Servers")
    # It has no members, so it is not in the list of the group's users.
    operators = organization.add_group("Operators to come", "user_group")
    organization.bind(servers, "user_group", operators, sudo(without_password=True))
    before = expected_tables(organization, views=False)
    publisher.publish(on_day(2, pull(organization, association_targets=targets)))
    assert unknown_findings(publisher) == unknown
    if "user_group" in targets:
        expected = findings(before, before, day(2))["groups_with_passwordless_sudo"]
        assert in_order(read_findings(publisher)["groups_with_passwordless_sudo"]) == in_order(
            expected
        )
        assert len(expected) == 1
