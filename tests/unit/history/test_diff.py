"""The net difference between two snapshots, its text, and the choice of snapshots."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from assets_defs.cli.commands.diff import describe
from pipelines.errors import InventoryError
from pipelines.history.diff import SnapshotDiff, diff_snapshots, select_snapshots
from pipelines.schema.tables import CHANGES
from pipelines.simulator import Organization, Sizes, generate
from tests.support.manifests import make_manifest
from tests.support.publisher import FIRST_DAY, Publisher, Pulled, Rows, on_day

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)
NOW = FIRST_DAY + timedelta(days=4)


@pytest.fixture
def organization() -> Organization:
    return generate(sizes=SMALL)


def as_rows(found: SnapshotDiff) -> Rows:
    rows: Rows = found.changes.to_pylist()
    return rows


def test_diff_of_consecutive_snapshots_equals_changes(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    before = publisher.commit(pull(organization))
    gone, changed = list(organization.systems)[:2]
    organization.remove_system(gone)
    organization.update(changed, displayName="renamed")
    organization.add_user(username="new.person")
    after = publisher.publish(pull(organization))
    found = diff_snapshots(publisher.history, before, after)
    published = publisher.rows("FROM changes ORDER BY ALL")
    assert published
    assert sorted(map(str, as_rows(found))) == sorted(map(str, published))


def test_diff_over_several_snapshots_is_the_net_difference(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    first = publisher.commit(pull(organization))
    visitor = organization.add_user(username="visitor")
    publisher.commit(pull(organization))
    organization.remove_user(visitor)
    stays = organization.add_user(username="stays")
    last = publisher.commit(pull(organization))
    found = diff_snapshots(publisher.history, first, last)
    assert [(row["asset_id"], row["change"]) for row in as_rows(found)] == [(stays, "added")]
    back = diff_snapshots(publisher.history, last, first)
    assert [(row["asset_id"], row["change"]) for row in as_rows(back)] == [(stays, "removed")]


def test_table_that_was_not_pulled_is_not_compared(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    before = publisher.commit(pull(organization))
    after = publisher.commit(pull(organization, details=False))
    found = diff_snapshots(publisher.history, before, after)
    assert as_rows(found) == []
    assert {"systems", "users", "applications", "application_users"} <= {*found.not_compared}


def test_diff_text_shows_names_of_an_access(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    system_id, user_id = next(iter(organization.systems)), next(iter(organization.users))
    organization.update(system_id, hostname="web-01")
    before = publisher.commit(pull(organization))
    group_id = organization.add_group("Servers")
    organization.add_member(group_id, system_id)
    organization.bind(
        group_id, "user", user_id, {"sudo": {"enabled": True, "withoutPassword": False}}
    )
    organization.update(system_id, displayName="New name")
    second_id, policy_id = list(organization.users)[1], next(iter(organization.policies))
    staff = organization.add_group("Staff", "user_group")
    organization.add_member(staff, second_id)
    organization.bind(group_id, "user_group", staff)
    organization.bind(group_id, "policy", policy_id)
    organization.bind_system(staff, system_id, {"sudo": {"enabled": True, "withoutPassword": True}})
    organization.bind_system(user_id, system_id)
    after = publisher.commit(pull(organization))
    found = diff_snapshots(publisher.history, before, after)
    username = organization.users[user_id]["username"]
    lines = list(describe(found))
    assert lines[0] == f"acme: {before.snapshot_id} -> {after.snapshot_id}"
    assert "  system_groups: 1 added" in lines
    assert f"    + Servers ({group_id})" in lines
    assert f"    + system web-01 ({system_id}) in group Servers ({group_id})" in lines
    access = f"user {username} ({user_id}) on the systems of group Servers ({group_id})"
    assert f"    + {access}, with sudo" in lines
    server, group = f"web-01 ({system_id})", f"group Servers ({group_id})"
    second = f"{organization.users[second_id]['username']} ({second_id})"
    policy = f"{organization.policies[policy_id]['name']} ({policy_id})"
    assert {
        f"    + {group} bound to user_group Staff ({staff})",
        f"    + {group} bound to policy {policy}",
        f"    + user {second} on the systems of {group}, through user group Staff ({staff})",
        f"    + user {second} in user group Staff ({staff})",
        f"    + user {username} ({user_id}) bound to system {server} itself",
        f"    + user group Staff ({staff}) bound to system {server}, with sudo without password",
    } <= {*lines}
    (joined,) = [line for line in lines if " ~ web-01" in line and " group_ids: " in line]
    assert f'"Servers ({group_id})"' in joined
    (renamed,) = [line for line in lines if " display_name: " in line]
    assert renamed.startswith(f"    ~ web-01 ({system_id}) display_name: ")
    assert renamed.endswith('-> "New name"')
    names = {row["asset_id"]: row["name"] for row in found.to_table().to_pylist()}
    assert names[f"{group_id}/{system_id}"] == "Servers/web-01"
    assert names[f"{group_id}/user_group/{staff}"] == "Servers/user_group/Staff"


def test_diff_text_escapes_control_characters(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    before = publisher.commit(pull(organization))
    hostile = "\x1b[2Jzoë\n+ root\u202e"
    organization.add_user(username=hostile, department="\x9b31m")
    organization.update(next(iter(organization.users)), department=hostile)
    text = list(
        describe(diff_snapshots(publisher.history, before, publisher.commit(pull(organization))))
    )
    assert all(line.isprintable() for line in text)
    assert any("\\u001b[2Jzoë\\u000a+ root\\u202e (" in line for line in text)


def test_diff_of_equal_snapshots_is_empty(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    only = publisher.commit(pull(organization))
    lines = list(describe(diff_snapshots(publisher.history, only, only)))
    assert lines == [f"acme: {only.snapshot_id} -> {only.snapshot_id}", "  no changes"]


def test_select_snapshots_returns_pairs(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    pulled = pull(organization)
    first = publisher.commit(on_day(0, pulled))
    with pytest.raises(InventoryError, match="only one snapshot"):
        select_snapshots([first], [], NOW)
    second, third = (publisher.commit(on_day(day, pulled)) for day in (1, 2))
    other = publisher.commit(on_day(3, pulled), "other")
    manifests = publisher.history.manifests()
    assert select_snapshots(manifests, [], NOW) == ([(second, third)], [])
    assert select_snapshots(manifests, [first.snapshot_id], NOW) == ([(first, third)], [])
    ids = [second.snapshot_id, first.snapshot_id]
    assert select_snapshots(manifests, ids, NOW) == ([(second, first)], [])
    with pytest.raises(InventoryError, match="only snapshots of one integration"):
        select_snapshots(manifests, [first.snapshot_id, other.snapshot_id], NOW)
    # Four days back nothing was recorded of `other`; an hour is after the latest of both.
    missing = f"other: nothing was recorded then; its first snapshot is {other.snapshot_id}"
    assert select_snapshots(manifests, ["3d"], NOW) == ([(second, third)], [missing])
    assert select_snapshots(manifests, ["3d", "49h"], NOW) == ([(second, second)], [missing])
    assert select_snapshots(manifests, ["1h"], NOW)[0] == [(third, third), (other, other)]
    mixed = [first.snapshot_id, f"{FIRST_DAY + timedelta(days=1):%Y-%m-%d}"]
    assert select_snapshots(manifests, mixed, NOW) == ([(first, second)], [])
    with pytest.raises(
        InventoryError, match=r"acme: nothing was recorded then; .*\nother: nothing"
    ):
        select_snapshots(manifests, ["9w"], NOW)


@pytest.mark.parametrize(
    ("table", "row_id", "expected"),
    [
        ("systems", "s", {"system_id": "s"}),
        ("system_group_members", "g/s", {"group_id": "g", "system_id": "s"}),
        (
            "system_ipv4_addresses",
            "s/Ethernet 1/2/10.0.0.1",
            {"system_id": "s", "interface": "Ethernet 1/2", "address": "10.0.0.1"},
        ),
        (
            "system_ipv4_addresses",
            "s//10.0.0.1",
            {"system_id": "s", "interface": "", "address": "10.0.0.1"},
        ),
    ],
)
def test_row_id_is_split_into_key_columns(
    table: str, row_id: str, expected: dict[str, str]
) -> None:
    one = make_manifest("acme", 0)
    diff = SnapshotDiff(one, one, CHANGES.arrow_schema.empty_table(), {}, ())
    assert diff.parse_key(table, row_id) == expected
