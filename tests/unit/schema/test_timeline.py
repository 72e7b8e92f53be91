"""The timeline of a user or a device has each event, with the interval in which it happened."""

from datetime import datetime, timedelta

import duckdb
import pytest

from tests.support.publisher import Rows
from tests.support.tables import Row, day, inventory, query_inventory


def snapshot(number: int, *endpoints: str) -> Row:
    """Return a pull of that day, which took a minute and read these lists."""
    return {
        "snapshot_id": f"s{number}",
        "started_at": day(number),
        "finished_at": end(number),
        "completeness": [{"endpoint": name} for name in endpoints],
    }


def end(number: int) -> datetime:
    return day(number) + timedelta(minutes=1)


def change(number: int, table: str, key: str, change: str = "added", **more: object) -> Row:
    own: Row = {"snapshot_id": f"s{number}", "observed_at": day(number)}
    return own | {"asset_type": table, "asset_id": key, "change": change} | more


LISTS = ("systems", "systemusers", "systemgroups_users", "usergroups_members")
GONE = {"username": "carl", "first_seen_at": day(1).isoformat()}
TABLES: dict[str, Rows] = {
    # The second pull read no memberships.
    "snapshots": [snapshot(1, *LISTS), snapshot(2, *LISTS[:2]), snapshot(3, *LISTS)],
    "users": [
        {"user_id": "ann", "username": "ann.b", "email": "Ann@example.com", "last_seen_at": day(3)},
        {"user_id": "new", "username": "carla", "first_seen_at": day(2), "last_seen_at": day(3)},
        {"user_id": "two", "username": "same", "last_seen_at": day(3)},
    ],
    "systems": [{"system_id": "db", "hostname": "SAME", "last_seen_at": day(3)}],
    "user_groups": [{"user_group_id": "ops", "name": "Operations"}],
    "system_groups": [],
    "changes": [
        change(2, "users", "new"),
        change(2, "users", "ann", "changed", column_name="state", old_value="A", new_value="B"),
        change(2, "users", "ann", "changed", column_name="system_count", new_value=2),
        change(2, "users", "old", "removed", old_value=GONE),
        change(3, "user_group_members", "ops/ann"),
        change(3, "system_group_users", "web/ann", "removed", old_value={"sudo": True}),
        change(3, "system_groups", "web", "removed", old_value={"name": "Web"}),
        change(3, "system_group_users", "x/ann", "changed", column_name="sudo", new_value=True),
        change(3, "system_local_accounts", "db/root"),
    ],
}
EVENTS = (
    "SELECT after_at, before_at, event, object_type, object_name, old_value, new_value, sudo "
    "FROM timeline('{}') ORDER BY before_at, event"
)


def events(asset: str) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in query_inventory(EVENTS.format(asset), **TABLES)]


def test_timeline_has_every_event_in_its_interval() -> None:
    nothing = (None,) * 5
    assert events("ANN@EXAMPLE.COM") == [
        (None, end(1), "first_seen", *nothing),
        (day(1), end(2), "changed", None, None, "A", "B", None),
        # Not after day 2: that pull did not read the list.
        (day(1), end(3), "gained", "user_groups", "Operations", None, None, None),
        (day(3), end(3), "last_seen", *nothing),
        (day(1), end(3), "lost", "system_groups", "Web", None, None, True),
        (day(1), end(3), "sudo_gained", "system_groups", "x", None, "true", None),
    ]
    assert events("carla") == [
        (day(1), end(2), "first_seen", *nothing),
        (day(3), end(3), "last_seen", *nothing),
    ]
    assert events("db")[1] == (day(2), end(3), "gained", "local_accounts", "root", *nothing[:3])


def test_timeline_finds_a_user_who_left() -> None:
    for name in ("CARL", "old"):
        assert [row[2] for row in events(name)] == ["first_seen", "removed"]


def test_unknown_or_ambiguous_name_is_an_error() -> None:
    with inventory(**TABLES) as connection:
        for name, message in (
            ("ann.c", "no asset 'ann.c' .* The nearest: ann.b"),
            ("same", r"several assets are named 'same' in acme.*: db \(SAME\), two \(same\)"),
        ):
            with pytest.raises(duckdb.InvalidInputException, match=message):
                connection.execute(f"SELECT 1 FROM timeline('{name}') WHERE sudo").fetchall()
