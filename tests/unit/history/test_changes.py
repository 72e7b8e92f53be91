"""The table `changes` has exactly what changed in the organization."""

import json
from collections.abc import Callable
from datetime import timedelta

import pyarrow as pa
import pytest

from pipelines.history.changes import TableState, compute_changes
from pipelines.history.manifest import PullFacts
from pipelines.publish.database import update_duckdb_file
from pipelines.schema.tables import CHANGES
from pipelines.simulator import Organization, Sizes, generate
from pipelines.sql import in_memory
from tests.support.manifests import BADGES, make_pull, publish_badges
from tests.support.publisher import FIRST_DAY, Publisher, Pulled, Rows

SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
IDS_ONLY = {"details": False}


@pytest.fixture
def organization() -> Organization:
    return generate(sizes=SMALL)


def compute(before: pa.Table, after: pa.Table, *ignored: str, pull: PullFacts) -> Rows:
    """Return the changes of badges from a full pull to another pull a day later."""
    states = TableState(make_pull(0), before), TableState(pull, after)
    with in_memory() as connection:
        rows = compute_changes(BADGES, *states, "later", ignored, connection)
    assert rows.schema == CHANGES.arrow_schema
    values: Rows = rows.to_pylist()
    return values


def badge_change(
    asset_id: str, column: str, change: str, old: object, new: object
) -> dict[str, object]:
    return {
        "integration": "acme",
        "snapshot_id": "later",
        "asset_type": "badges",
        "asset_id": asset_id,
        "column_name": column,
        "observed_at": FIRST_DAY + timedelta(days=1),
        "change": change,
        "old_value": None if old is None else json.dumps(old, separators=(",", ":")),
        "new_value": None if new is None else json.dumps(new, separators=(",", ":")),
    }


BEFORE = publish_badges(0, ("1", "Ann", 1), ("2", "Bo", 2), ("3", None, 3), ("4", "Di", 4))
AFTER = publish_badges(1, ("1", "Ann", 1), ("3", "Cy", 9), ("4", None, 4), ("5", "Ed", 5))
REMOVED = badge_change(
    "2",
    "",
    "removed",
    # DuckDB's text of a time; the first-seen time is kept for an asset that comes back.
    {"badge_id": "2", "owner": "Bo", "door_count": 2, "first_seen_at": "2024-01-30 08:00:00+00"},
    None,
)
ADDED = badge_change("5", "", "added", None, {"badge_id": "5", "owner": "Ed", "door_count": 5})
OWNER = badge_change("3", "owner", "changed", None, "Cy")
NO_OWNER = badge_change("4", "owner", "changed", "Di", None)
DOORS = badge_change("3", "door_count", "changed", 3, 9)


@pytest.mark.parametrize(
    ("ignored", "endpoints", "expected"),
    [
        ((), ("badges", "doors"), [REMOVED, DOORS, OWNER, NO_OWNER, ADDED]),
        (("owner",), ("badges", "doors"), [REMOVED, DOORS, ADDED]),
        ((), ("badges",), [REMOVED, OWNER, NO_OWNER, ADDED]),
        (("owner", "door_count", "badge_id"), ("badges",), [REMOVED, ADDED]),
    ],
)
def test_changes_are_rows_of_added_removed_and_changed(
    ignored: tuple[str, ...], endpoints: tuple[str, ...], expected: Rows
) -> None:
    pull = make_pull(1, endpoints)
    assert compute(BEFORE, AFTER, *ignored, pull=pull) == expected


def test_column_missing_in_one_snapshot_has_no_changes() -> None:
    before = BEFORE.drop_columns(["owner"])
    removed = REMOVED | {"old_value": str(REMOVED["old_value"]).replace('"owner":"Bo",', "")}
    assert compute(before, AFTER, pull=make_pull(1)) == [removed, DOORS, ADDED]


def test_seen_times_are_not_changes() -> None:
    later = publish_badges(1, ("1", "Ann", 1), ("2", "Bo", 2), ("3", None, 3), ("4", "Di", 4))
    assert compute(BEFORE, later, pull=make_pull(1)) == []


def changes(publisher: Publisher, where: str = "true") -> Rows:
    """Return the changes of the latest snapshot."""
    return publisher.rows(
        "SELECT asset_type, asset_id, column_name, change, old_value, new_value FROM changes "
        f"WHERE snapshot_id = (SELECT max(snapshot_id) FROM snapshots) AND {where} ORDER BY ALL"
    )


def test_added_access_names_the_group_that_grants_it(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    group = organization.add_group("Laptops")
    staff = organization.add_group("Staff", "user_group")
    organization.bind(group, "user_group", staff)
    publisher.commit(pull(organization))
    user = next(iter(organization.users))
    organization.add_member(staff, user)
    publisher.publish(pull(organization))
    (access,) = changes(publisher, "asset_type = 'system_group_users'")
    assert (access["asset_id"], access["change"]) == (f"{group}/{user}", "added")
    row = json.loads(str(access["new_value"]))
    assert (row["direct"], row["via_user_group_ids"]) == (False, [staff])

    organization.bind(group, "user", user)
    publisher.publish(pull(organization))
    assert changes(publisher, "asset_type = 'system_group_users'") == [
        {
            "asset_type": "system_group_users",
            "asset_id": f"{group}/{user}",
            "column_name": "direct",
            "change": "changed",
            "old_value": "false",
            "new_value": "true",
        }
    ]


def test_volatile_columns_have_no_changes(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    before = pull(organization)
    organization.update(
        next(iter(organization.systems)), lastContact="2025-05-05T05:05:05Z", os="BeOS"
    )
    after = pull(organization)
    expected: set[tuple[str, str]] = set()
    for number, (volatile, changed) in enumerate(
        (
            ((), ["last_contact_at", "os"]),
            (("systems.last_contact_at",), ["os"]),
            (("systems.last_contact_at", "systems.os"), []),
            (("users.last_contact_at", "systems.os"), ["last_contact_at"]),
        )
    ):
        name = f"acme-{number}"
        for pulled in (before, after):
            publisher.commit(pulled, name, volatile)
        expected |= {(name, column) for column in changed}
    update_duckdb_file(publisher.history, publisher.file)
    rows = publisher.rows("SELECT integration, column_name FROM changes ORDER BY ALL")
    assert [(row["integration"], row["column_name"]) for row in rows] == sorted(expected)


def test_table_that_was_not_pulled_has_no_changes(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    for settings in ({}, IDS_ONLY, IDS_ONLY, {}):
        publisher.commit(pull(organization, **settings))
    update_duckdb_file(publisher.history, publisher.file)
    assert changes(publisher) == []


def test_change_during_a_partial_pull_is_recorded_later(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    gone, renamed = list(organization.applications)[:2]
    first = publisher.commit(pull(organization)).pull.started_at
    organization.remove_application(gone)
    organization.update(renamed, displayLabel="Payroll")
    publisher.publish(pull(organization, **IDS_ONLY))
    assert changes(publisher) == []
    publisher.publish(pull(organization))
    changed = changes(publisher, "asset_type = 'applications'")
    assert [(row["asset_id"], row["change"], row["column_name"]) for row in changed] == sorted(
        [(gone, "removed", ""), (renamed, "changed", "display_label")]
    )
    sights = publisher.rows("SELECT DISTINCT first_seen_at FROM applications")
    assert sights == [{"first_seen_at": first}]


def test_target_type_that_was_not_pulled_is_not_removed(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    # Only this association names the user: no list has its record.
    group = next(iter(organization.system_groups))
    organization.bind(group, "user", "64b0c0de00000000000000ff")
    publisher.commit(pull(organization))
    policy = next(target for target in organization.bindings[group] if target[0] == "user_group")
    organization.unbind(group, *policy)
    targets = ["user_group", "policy"]
    publisher.publish(pull(organization, association_targets=targets))
    changed = changes(publisher, "asset_type = 'system_group_associations'")
    assert [(row["asset_id"], row["change"]) for row in changed] == [
        (f"{group}/{policy[0]}/{policy[1]}", "removed")
    ]
    assert changes(publisher, "asset_type = 'users' AND change <> 'changed'") == []


def test_skipped_endpoint_changes_no_derived_table(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    application, user = next(iter(organization.applications)), next(iter(organization.users))
    organization.bind(application, "user", user)
    # Nothing else names this user.
    organization.bind(application, "user", "64b0c0de00000000000000ff")
    publisher.commit(pull(organization))
    organization.unbind(application, "user", user)
    publisher.publish(pull(organization, skip_endpoints=["applications_users"]))
    assert changes(publisher) == []
    publisher.publish(pull(organization))
    changed = [(row["asset_type"], row["asset_id"]) for row in changes(publisher)]
    assert changed == [("application_users", f"{application}/{user}")]


def test_last_asset_is_removed_with_its_relationships(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    before = pull(organization)
    publisher.commit(before)
    for application_id in list(organization.applications):
        organization.remove_application(application_id)
    for group_id in list(organization.system_groups):
        organization.remove_group(group_id)
    publisher.publish(pull(organization))
    emptied = (
        "applications",
        "application_users",
        "system_groups",
        "system_group_members",
        "system_group_users",
        "system_group_associations",
    )
    removed = publisher.rows(
        "SELECT asset_type, count(*) AS n FROM changes WHERE change = 'removed' GROUP BY ALL"
    )
    counts = {row["asset_type"]: row["n"] for row in removed}
    assert {name: counts[name] for name in emptied} == {
        name: before.tables[name].num_rows for name in emptied
    }


def test_custom_attributes_change_only_while_they_are_named(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    user = next(iter(organization.users))
    publisher.commit(pull(organization))
    for names in (["costCode"], ["costCode", "floor"]):
        publisher.publish(pull(organization, custom_attributes=names))
        assert publisher.rows("SELECT count(*) AS n FROM custom_attributes") != [{"n": 0}]
        assert changes(publisher) == []
    organization.update(user, attributes=[{"name": "costCode", "value": "CC-1"}])
    publisher.publish(pull(organization, custom_attributes=["costCode"]))
    [changed] = changes(publisher)
    assert (changed["asset_id"], changed["new_value"]) == (f"users/{user}/costCode", '"CC-1"')
    publisher.publish(pull(organization))
    assert changes(publisher) == []
