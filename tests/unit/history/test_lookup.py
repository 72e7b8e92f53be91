"""Snapshots are found by id, or by a time as the last at or before it."""

from datetime import UTC, datetime, timedelta

import pytest

from pipelines.errors import InventoryError
from pipelines.history.lookup import TIMES, find_snapshot, parse_time, select_past
from pipelines.history.manifest import Manifest
from tests.support.manifests import make_manifest
from tests.support.publisher import FIRST_DAY

ONE, TWO, ONE_LATER, TWO_LATER = (
    make_manifest(name, day) for day, name in enumerate(["one", "two", "one", "two"])
)
MANIFESTS = [ONE, TWO, ONE_LATER, TWO_LATER]
IDS = [manifest.snapshot_id for manifest in MANIFESTS]


def find_error(manifests: list[Manifest], snapshot_id: str) -> str:
    with pytest.raises(InventoryError) as caught:
        find_snapshot(manifests, snapshot_id)
    return str(caught.value)


def test_snapshot_is_found_by_id() -> None:
    for manifest in MANIFESTS:
        assert find_snapshot(MANIFESTS, manifest.snapshot_id) == manifest


@pytest.mark.parametrize(
    ("snapshot_id", "nearest"),
    [
        ("1999", IDS[:2]),
        (f"{IDS[0]}-9", IDS[:3]),
        (f"{IDS[1]}-9", IDS),
        (f"{IDS[2]}-9", IDS[1:]),
        ("2999", IDS[2:]),
    ],
)
def test_unknown_id_lists_the_nearest(snapshot_id: str, nearest: list[str]) -> None:
    message = f"there is no snapshot {snapshot_id!r}; the nearest: {', '.join(nearest)}; {TIMES}"
    assert find_error(MANIFESTS, snapshot_id) == message


def test_unknown_id_without_snapshots_lists_none() -> None:
    assert find_error([], "1999") == f"there is no snapshot '1999'; the nearest: none; {TIMES}"


def test_expired_snapshot_lists_the_nearest_of_its_integration() -> None:
    manifests = [ONE.without_tables(), TWO, ONE_LATER, TWO_LATER]
    assert find_error(manifests, ONE.snapshot_id) == (
        f"the tables of snapshot {ONE.snapshot_id} of one were removed, because of "
        f"keep_snapshots; the nearest that are kept: {ONE_LATER.snapshot_id}"
    )


def test_id_of_several_integrations_is_rejected() -> None:
    same_day = make_manifest("two", 0)
    assert find_error([ONE, same_day], ONE.snapshot_id) == (
        f"several integrations have a snapshot {ONE.snapshot_id}: one, two; "
        "choose one with --integration"
    )
    assert find_snapshot([ONE], ONE.snapshot_id) == ONE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-02-03", "2024-02-03T23:59:59.999999+00:00"),
        ("2024-02-03T08:00", "2024-02-03T08:00:00+00:00"),
        ("2024-02-03 08:00:05+02:00", "2024-02-03T06:00:05+00:00"),
        ("12h", "2024-02-02T21:00:00+00:00"),
        ("7d", "2024-01-27T09:00:00+00:00"),
        ("2w", "2024-01-20T09:00:00+00:00"),
    ],
)
def test_time_is_a_date_a_time_or_an_age(text: str, expected: str) -> None:
    now = datetime(2024, 2, 3, 9, tzinfo=UTC)
    assert parse_time(text, now) == datetime.fromisoformat(expected)
    assert parse_time(ONE.snapshot_id, now) is None
    with pytest.raises(InventoryError, match="'2024-02-30' is not a time: a time is 2026-10-01"):
        parse_time("2024-02-30", now)


def past_ids(text: str, integration: str | None = None) -> tuple[list[str], list[str]]:
    manifests = [ONE, ONE_LATER, TWO, TWO_LATER]
    found, notes = select_past(manifests, text, integration, FIRST_DAY + timedelta(days=9))
    return [manifest.snapshot_id for manifest in found], notes


def test_time_selects_the_last_snapshot_at_or_before() -> None:
    one, two, one_later, two_later = IDS
    start = ONE_LATER.pull.started_at
    assert past_ids(start.isoformat()) == ([one_later, two], [])
    assert past_ids((start - timedelta(seconds=1)).isoformat()) == ([one, two], [])
    assert past_ids(f"{start:%Y-%m-%d}") == ([one_later, two], [])
    assert past_ids("1d") == ([one_later, two_later], [])
    # Two was first recorded a day after one.
    missing = f"two: nothing was recorded then; its first snapshot is {two}"
    day = f"{FIRST_DAY:%Y-%m-%d}"
    assert past_ids(day) == ([one], [missing])
    with pytest.raises(InventoryError, match=missing):
        past_ids(day, "two")
    with pytest.raises(InventoryError, match="one: nothing was recorded then"):
        past_ids("2000-01-01")


def test_expired_snapshot_is_replaced_by_an_earlier_one() -> None:
    manifests = [ONE, ONE_LATER.without_tables(), make_manifest("one", 5)]
    found, notes = select_past(manifests, "1d", "one", FIRST_DAY + timedelta(days=4))
    assert found == [ONE]
    (note,) = notes
    assert note == (
        f"one: the tables of {ONE_LATER.snapshot_id} were removed, because of keep_snapshots; the "
        f"last before it is {ONE.snapshot_id}"
    )
