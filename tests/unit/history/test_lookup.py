"""Snapshots are found by id; an error lists the nearest that have their tables."""

import pytest

from pipelines.errors import InventoryError
from pipelines.history.lookup import find_snapshot
from pipelines.history.manifest import Manifest
from tests.support.manifests import make_manifest

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
    message = f"there is no snapshot {snapshot_id!r}; the nearest: {', '.join(nearest)}"
    assert find_error(MANIFESTS, snapshot_id) == message


def test_unknown_id_without_snapshots_lists_none() -> None:
    assert find_error([], "1999") == "there is no snapshot '1999'; the nearest: none"


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
