"""First-seen times are carried from snapshot to snapshot, also through an absence."""

import json
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.history.first_seen import (
    ABSENT,
    FIRST_SEEN_SCHEMA,
    add_first_last_seen,
    read_removed_assets,
    select_absent,
    select_first_seen,
)
from pipelines.sql import in_memory
from tests.support.manifests import BADGES, make_badges, publish_badges
from tests.support.publisher import FIRST_DAY, Rows

SECOND_DAY, THIRD_DAY = (FIRST_DAY + timedelta(days=day) for day in (1, 2))


def first_seen_table(*rows: tuple[str, object]) -> pa.Table:
    values = [dict(zip(FIRST_SEEN_SCHEMA.names, row, strict=True)) for row in rows]
    return pa.Table.from_pylist(values, schema=FIRST_SEEN_SCHEMA)


def add(rows: pa.Table, *known: pa.Table) -> tuple[Rows, Rows]:
    with in_memory() as connection:
        present, absent = add_first_last_seen(BADGES, rows, known, THIRD_DAY, connection)
    assert present.schema == BADGES.published_schema
    return present.to_pylist(), absent.to_pylist()


def test_first_seen_is_the_earliest_known_time() -> None:
    rows = make_badges(("3", "Cy", 3), ("1", "Ann", 1), ("2", "Bo", 2))
    known = (
        first_seen_table(("1", FIRST_DAY), ("2", SECOND_DAY)),
        first_seen_table(("1", SECOND_DAY), ("gone", SECOND_DAY)),
        first_seen_table(("gone", FIRST_DAY)),
    )
    present, absent = add(rows, *known)
    assert present == [
        {
            "integration": "acme",
            "badge_id": badge_id,
            "owner": owner,
            "door_count": int(badge_id),
            "first_seen_at": first_seen_at,
            "last_seen_at": THIRD_DAY,
        }
        for badge_id, owner, first_seen_at in (
            ("1", "Ann", FIRST_DAY),
            ("2", "Bo", SECOND_DAY),
            ("3", "Cy", THIRD_DAY),
        )
    ]
    assert absent == [{"asset_type": "badges", "asset_id": "gone", "first_seen_at": FIRST_DAY}]


def test_first_pull_sees_all_assets_now() -> None:
    present, absent = add(make_badges(("1", "Ann", 1)))
    assert [(row["first_seen_at"], row["last_seen_at"]) for row in present] == [
        (THIRD_DAY, THIRD_DAY)
    ]
    assert absent == []


def test_empty_pull_makes_all_assets_absent() -> None:
    known = first_seen_table(("2", SECOND_DAY), ("1", FIRST_DAY))
    present, absent = add(make_badges(), known)
    assert present == []
    assert absent == [
        {"asset_type": "badges", "asset_id": "1", "first_seen_at": FIRST_DAY},
        {"asset_type": "badges", "asset_id": "2", "first_seen_at": SECOND_DAY},
    ]


def test_first_seen_is_selected_from_published_rows() -> None:
    published = publish_badges(1, ("1", "Ann", 1), ("2", None, 2))
    expected = first_seen_table(("1", SECOND_DAY), ("2", SECOND_DAY))
    assert select_first_seen(BADGES, published) == expected


def test_absent_assets_are_selected_by_table() -> None:
    values: Rows = [
        {"asset_type": asset_type, "asset_id": "1", "first_seen_at": first_seen_at}
        for asset_type, first_seen_at in (("badges", FIRST_DAY), ("users", SECOND_DAY))
    ]
    absent = pa.Table.from_pylist(values, schema=ABSENT.arrow_schema)
    assert select_absent(BADGES, absent) == first_seen_table(("1", FIRST_DAY))


def test_removed_assets_are_read_from_changes(tmp_path: Path) -> None:
    def removed(
        asset_type: str, asset_id: str, day: int, change: str = "removed"
    ) -> dict[str, str]:
        first_seen_at = (FIRST_DAY + timedelta(days=day)).isoformat()
        old_value = json.dumps({"first_seen_at": first_seen_at})
        return {
            "asset_type": asset_type,
            "asset_id": asset_id,
            "change": change,
            "old_value": old_value,
        }

    files = [tmp_path / "1.parquet", tmp_path / "2.parquet"]
    changes = [
        [removed("users", "1", 1), removed("systems", "1", 2), removed("users", "3", 0, "changed")],
        [removed("users", "1", 0), removed("system_group_users", "g/1", 0)],
    ]
    for file, rows in zip(files, changes, strict=True):
        pq.write_table(pa.Table.from_pylist(rows), file)
    assert sorted(read_removed_assets(files).to_pylist(), key=str) == [
        {"asset_type": "systems", "asset_id": "1", "first_seen_at": THIRD_DAY},
        {"asset_type": "users", "asset_id": "1", "first_seen_at": FIRST_DAY},
    ]
