"""The inventory as it was published with a past snapshot."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipelines.errors import InventoryError
from pipelines.history.diff import diff_snapshots
from pipelines.history.lookup import find_snapshot
from pipelines.history.manifest import Manifest
from pipelines.publish.time_travel import build_file_at
from pipelines.schema.tables import TABLES
from pipelines.simulator import Organization, Sizes, generate
from tests.support.publisher import Publisher, Pulled, Rows, on_day

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)


@dataclass
class Published:
    """Two integrations published in turn, and what the file held each time."""

    publisher: Publisher
    manifests: list[Manifest] = field(default_factory=list)
    states: list[dict[str, Rows]] = field(default_factory=list)

    def remember(self, manifest: Manifest) -> None:
        self.manifests.append(manifest)
        self.states.append(state(self.publisher))

    def past(self, manifest: Manifest, folder: Path) -> dict[str, Rows]:
        publisher = Publisher(folder)
        build_file_at(self.publisher.history, manifest, publisher.file)
        return state(publisher)

    def remove_tables(self, manifest: Manifest) -> None:
        self.publisher.history.commit(manifest.without_tables())
        self.publisher.history.remove_orphan_files(manifest.integration.name)


def state(publisher: Publisher) -> dict[str, Rows]:
    return {name: publisher.rows(f"FROM {name} ORDER BY ALL") for name in TABLES}


@pytest.fixture
def published(pull: Callable[..., Pulled], publisher: Publisher) -> Published:
    """`one`, `two`, then `one` and `two` again with a user more, each a day later."""
    published = Published(publisher)
    organization: Organization = generate(sizes=SMALL)
    day = 0
    for _ in range(2):
        pulled = pull(organization)
        for name in ("one", "two"):
            published.remember(publisher.publish(on_day(day, pulled), name))
            day += 1
        organization.add_user(username="new.person")
    return published


@pytest.fixture
def manifests(pull: Callable[..., Pulled], publisher: Publisher) -> list[Manifest]:
    """`one` and `two` in turn, a day apart."""
    pulled = pull(generate(sizes=SMALL))
    names = enumerate(["one", "two"] * 2)
    return [publisher.publish(on_day(number, pulled), name) for number, name in names]


def test_it_equals_what_was_published_then(published: Published, tmp_path: Path) -> None:
    for number, (manifest, then) in enumerate(
        zip(published.manifests, published.states, strict=True)
    ):
        assert published.past(manifest, tmp_path / str(number)) == then
    assert published.states[3]["changes"]


def test_of_another_integration_the_nearest_that_is_kept_takes_the_place_of_one_that_is_not(
    published: Published, tmp_path: Path
) -> None:
    one, two, one_later, two_later = published.manifests
    published.remove_tables(one)
    latest = build_file_at(published.publisher.history, two, tmp_path / "file.duckdb")
    assert [each.snapshot_id for each in latest] == [one_later.snapshot_id, two.snapshot_id]
    # What tells of all pulls is not lost.
    assert published.past(two_later, tmp_path) == published.states[3]


def test_an_unknown_snapshot_is_told_its_nearest(manifests: list[Manifest]) -> None:
    ids = [each.snapshot_id for each in manifests]
    with pytest.raises(InventoryError) as caught:
        find_snapshot(manifests, f"{ids[1]}-9")
    assert str(caught.value) == f"there is no snapshot '{ids[1]}-9'; the nearest: {', '.join(ids)}"
    with pytest.raises(InventoryError, match=f"the nearest: {ids[0]}, {ids[1]}$"):
        find_snapshot(manifests, "1999")


def test_a_snapshot_without_tables_is_told_the_nearest_of_its_own(
    manifests: list[Manifest],
) -> None:
    one, _, one_later, _ = manifests
    words = rf"{one.snapshot_id} of one were removed.*that are kept: {one_later.snapshot_id}$"
    with pytest.raises(InventoryError, match=words):
        find_snapshot([one.without_tables(), *manifests[1:]], one.snapshot_id)


def test_an_id_of_several_integrations_must_be_told_apart(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    pulled = pull(generate(sizes=SMALL))
    first = publisher.publish(pulled, "one")
    publisher.publish(pulled, "two")
    with pytest.raises(InventoryError, match=r"have a snapshot .*: one, two; choose one with"):
        find_snapshot(publisher.history.manifests(), first.snapshot_id)
    assert find_snapshot(publisher.history.manifests("one"), first.snapshot_id) == first


def test_a_missing_file_of_the_history_is_named(
    manifests: list[Manifest], publisher: Publisher, tmp_path: Path
) -> None:
    part = publisher.history.part("users", "one", manifests[0].snapshot_id)
    part.unlink()
    with pytest.raises(InventoryError, match=f"{part}: missing or damaged.*try again"):
        build_file_at(publisher.history, manifests[0], tmp_path / "file.duckdb")
    with pytest.raises(InventoryError, match=f"cannot read snapshot .*{part}"):
        diff_snapshots(publisher.history, manifests[0], manifests[2])
    assert not list(tmp_path.iterdir())
