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
from tests.oracle.findings import Findings, Key, Lives
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
# What a pull may leave out; everything is asked twice as often.
ASKED: list[dict[str, object]] = [
    {},
    {},
    {"details": False},
    {"skip_endpoints": ["applications", "applications_users"]},
]


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


def test_life_of_findings_matches_oracle(pull: Callable[..., Pulled], fast_tmp_path: Path) -> None:
    @settings(max_examples=3, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(st.tuples(SCRIPTS, st.sampled_from(ASKED)), min_size=6, max_size=6))
    def check(steps: list[tuple[list[tuple[str, tuple[int, int]]], dict[str, object]]]) -> None:
        organization = generate(1, TINY, day(0))
        editor, lives = Editor(organization), Lives()
        with tempfile.TemporaryDirectory(dir=fast_tmp_path) as folder:
            publisher = Publisher(Path(folder))
            for number, (script, asked) in enumerate([([], {}), *steps]):
                for name, draws in script:
                    editor.edit(name, draws)
                pulled = on_day(number, pull(organization, **asked))
                publisher.publish(pulled, thresholds=Thresholds(many_devices=2))
                now = expected_tables(organization, views=False)
                expected = keys(findings(now, None, day(number), many_devices=2))
                found = keys(read_findings(publisher))
                answered = SEVERITIES.keys() - unanswerable(publisher)
                # A pull that asked less may still find some rows of the other findings.
                assert {key for key in found if key[0] in answered} == {
                    key for key in expected if key[0] in answered
                }
                lives.step(found, answered, day(number))
            assert published_lives(publisher) == lives

    check()


def keys(found: Findings) -> set[Key]:
    return {
        (name, str(row["asset_type"]), str(row["asset_id"]))
        for name, rows in found.items()
        if name not in COMPARE_SNAPSHOTS
        for row in rows
    }


def unanswerable(publisher: Publisher) -> set[str]:
    rows = publisher.rows("SELECT finding FROM findings.questions WHERE NOT answerable")
    return {str(row["finding"]) for row in rows}


def as_time(value: object) -> datetime:
    assert isinstance(value, datetime)
    return value


def published_lives(publisher: Publisher) -> Lives:
    lives = Lives()
    for row in publisher.rows("FROM finding_history "):
        key = (str(row["finding"]), str(row["asset_type"]), str(row["asset_id"]))
        if row["finding"] in COMPARE_SNAPSHOTS:
            continue
        if row["closed_at"]:
            lives.closed.add((key, as_time(row["opened_at"]), as_time(row["closed_at"])))
        else:
            lives.open[key] = as_time(row["opened_at"])
    return lives


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
        "strict": Thresholds(stale_days=1, many_devices=2, few_devices=50, certificate_days=500),
        "lax": Thresholds(stale_days=3000, many_devices=500, few_devices=2, certificate_days=1),
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
