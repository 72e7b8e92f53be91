"""First-seen times are carried from snapshot to snapshot, also through an absence."""

import json
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.errors import InventoryError
from pipelines.history.commit import (
    ABSENT_ASSETS,
    PulledTables,
    add_first_last_seen,
    commit_snapshot,
    read_removed_assets,
)
from pipelines.history.store import SnapshotStore
from pipelines.jumpcloud.completeness import completeness_table
from pipelines.schema.tables import INVENTORY_TABLES
from pipelines.sql import in_memory
from tests.support.manifests import BADGES, make_badges, make_manifest, make_pull, publish_badges
from tests.support.publisher import FIRST_DAY, Rows

SECOND_DAY, THIRD_DAY = (FIRST_DAY + timedelta(days=day) for day in (1, 2))


def make_absent(*rows: tuple[str, str, datetime]) -> pa.Table:
    """Return absent assets: table, id and first-seen time."""
    names = ABSENT_ASSETS.arrow_schema.names
    values: Rows = [dict(zip(names, ("acme", *row), strict=True)) for row in rows]
    return pa.Table.from_pylist(values, schema=ABSENT_ASSETS.arrow_schema)


def add(rows: pa.Table, *earlier: pa.Table, absent: pa.Table) -> tuple[Rows, Rows]:
    with in_memory() as connection:
        present, absent = add_first_last_seen(BADGES, rows, earlier, absent, THIRD_DAY, connection)
    assert present.schema == BADGES.published_schema
    return present.to_pylist(), absent.to_pylist()


def test_first_seen_is_the_earliest_known_time() -> None:
    rows = make_badges(("3", "Cy", 3), ("1", "Ann", 1), ("2", "Bo", 2))
    first, second = publish_badges(0, ("1", "Ann", 1)), publish_badges(1, ("2", "Bo", 2))
    again = publish_badges(1, ("1", "Ann", 1), ("gone", "Di", 1))
    before = make_absent(("badges", "gone", FIRST_DAY), ("users", "3", FIRST_DAY))
    present, absent = add(rows, again, pa.concat_tables([first, second]), absent=before)
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
            ("3", "Cy", THIRD_DAY),
            ("1", "Ann", FIRST_DAY),
            ("2", "Bo", SECOND_DAY),
        )
    ]
    assert absent == [{"asset_type": "badges", "asset_id": "gone", "first_seen_at": FIRST_DAY}]


def test_first_pull_sees_all_assets_now() -> None:
    present, absent = add(make_badges(("1", "Ann", 1)), absent=make_absent())
    assert [(row["first_seen_at"], row["last_seen_at"]) for row in present] == [
        (THIRD_DAY, THIRD_DAY)
    ]
    assert absent == []


def test_empty_pull_makes_all_assets_absent() -> None:
    last = publish_badges(1, ("2", "Bo", 2))
    present, absent = add(make_badges(), last, absent=make_absent(("badges", "1", FIRST_DAY)))
    assert present == []
    assert absent == [
        {"asset_type": "badges", "asset_id": "1", "first_seen_at": FIRST_DAY},
        {"asset_type": "badges", "asset_id": "2", "first_seen_at": SECOND_DAY},
    ]


def test_absent_asset_keeps_its_first_seen_time_when_it_returns() -> None:
    present, absent = add(
        make_badges(("1", "Ann", 1)), absent=make_absent(("badges", "1", FIRST_DAY))
    )
    assert [(row["first_seen_at"], row["last_seen_at"]) for row in present] == [
        (FIRST_DAY, THIRD_DAY)
    ]
    assert absent == []


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


def test_pull_of_another_organization_is_refused(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    facts = make_manifest("acme", 0).integration

    def commit(day: int, organization: str | None) -> None:
        pull = make_pull(day).model_copy(update={"organization_id": organization})
        tables = {table.name: table.arrow_schema.empty_table() for table in INVENTORY_TABLES}
        pulled = PulledTables(pull, completeness_table([]), tables.__getitem__)
        commit_snapshot(store, facts, pulled, "run")

    for day, organization in enumerate(("a", None, "a")):
        commit(day, organization)
    with pytest.raises(InventoryError, match="of the organization b, but the history is of a"):
        commit(3, "b")
    commit(3, None)
    with pytest.raises(InventoryError, match="of the organization b, but the history is of a"):
        commit(4, "b")
    assert len(store.snapshot_ids(facts.name)) == 4
