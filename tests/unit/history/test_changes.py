"""The table `changes` has exactly what changed in the organization."""

import json
from collections.abc import Callable

import pytest

from pipelines.simulator import Organization, Sizes, generate
from tests.support.publisher import Publisher, Pulled, Rows

SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
IDS_ONLY = {"details": False}


@pytest.fixture
def organization() -> Organization:
    return generate(sizes=SMALL)


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
    publisher.publish(pull(organization))
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


@pytest.mark.parametrize(
    ("volatile", "changed"),
    [
        ((), ["last_contact_at", "os"]),
        (("systems.last_contact_at",), ["os"]),
        (("systems.last_contact_at", "systems.os"), []),
        (("users.last_contact_at", "systems.os"), ["last_contact_at"]),
    ],
)
def test_volatile_columns_have_no_changes(
    volatile: tuple[str, ...],
    changed: list[str],
    organization: Organization,
    pull: Callable[..., Pulled],
    publisher: Publisher,
) -> None:
    publisher.publish(pull(organization), volatile_columns=volatile)
    organization.update(
        next(iter(organization.systems)), lastContact="2025-05-05T05:05:05Z", os="BeOS"
    )
    publisher.publish(pull(organization), volatile_columns=volatile)
    assert [row["column_name"] for row in changes(publisher)] == changed


def test_table_that_was_not_pulled_has_no_changes(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    for settings in ({}, IDS_ONLY, IDS_ONLY, {}):
        publisher.publish(pull(organization, **settings))
        assert changes(publisher) == []


def test_change_during_a_partial_pull_is_recorded_later(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    gone, renamed = list(organization.applications)[:2]
    first = publisher.publish(pull(organization)).pull.started_at
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
    publisher.publish(pull(organization))
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
    publisher.publish(pull(organization))
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
    publisher.publish(before)
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
