"""The published file as of a past snapshot."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipelines.errors import InventoryError
from pipelines.history.diff import diff_snapshots
from pipelines.history.lookup import select_past
from pipelines.history.manifest import Manifest
from pipelines.publish.time_travel import build_past_file
from pipelines.schema.tables import TABLES
from pipelines.simulator import Organization, Sizes, generate
from tests.support.publisher import Publisher, Pulled, Rows, on_day

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)


@dataclass
class Published:
    """Two integrations published in turn, and the tables of the file after each publication."""

    publisher: Publisher
    manifests: list[Manifest] = field(default_factory=list)
    states: list[dict[str, Rows]] = field(default_factory=list)

    def remember(self, manifest: Manifest) -> None:
        self.manifests.append(manifest)
        self.states.append(state(self.publisher))

    def past(self, manifest: Manifest, folder: Path) -> dict[str, Rows]:
        publisher = Publisher(folder)
        build_past_file(self.publisher.history, self.latest(manifest)[0], publisher.file)
        return state(publisher)

    def latest(self, manifest: Manifest) -> tuple[list[Manifest], list[str]]:
        manifests = self.publisher.history.manifests()
        return select_past(manifests, manifest.snapshot_id, None, datetime.now(UTC))

    def remove_tables(self, manifest: Manifest) -> None:
        name = manifest.integration.name
        self.publisher.history.expire(name, [manifest.snapshot_id])
        self.publisher.history.remove_orphan_files(name)


def state(publisher: Publisher) -> dict[str, Rows]:
    return {name: publisher.rows(f"FROM {name} ORDER BY ALL") for name in TABLES}


@pytest.fixture
def published(pull: Callable[..., Pulled], publisher: Publisher) -> Published:
    """Publish `one` and `two`, then both again with another user, each a day later."""
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
    """Publish `one` and `two` in turn, a day apart."""
    pulled = pull(generate(sizes=SMALL))
    names = enumerate(["one", "two"] * 2)
    return [publisher.publish(on_day(number, pulled), name) for number, name in names]


def test_file_at_a_snapshot_equals_the_file_then(published: Published, tmp_path: Path) -> None:
    for number, (manifest, then) in enumerate(
        zip(published.manifests, published.states, strict=True)
    ):
        assert published.past(manifest, tmp_path / str(number)) == then
    assert published.states[3]["changes"]


def test_later_snapshot_never_replaces_an_expired_one(published: Published, tmp_path: Path) -> None:
    one, two, one_later, two_later = published.manifests
    published.remove_tables(one)
    latest, (note,) = published.latest(two)
    assert [manifest.snapshot_id for manifest in latest] == [two.snapshot_id]
    assert note == (
        f"one: the tables of {one.snapshot_id} were removed, because of keep_snapshots, and so "
        f"were all before it; the first that has its tables: {one_later.snapshot_id}"
    )
    # The metadata of all pulls is kept.
    assert published.past(two_later, tmp_path) == published.states[3]


def test_missing_file_of_a_snapshot_is_named(
    manifests: list[Manifest], publisher: Publisher, tmp_path: Path
) -> None:
    part = publisher.history.part("users", "one", manifests[0].snapshot_id)
    part.unlink()
    with pytest.raises(InventoryError, match=f"{part}: missing.*try again"):
        build_past_file(publisher.history, manifests[:1], tmp_path / "file.duckdb")
    with pytest.raises(InventoryError, match=f"{part}: missing"):
        diff_snapshots(publisher.history, manifests[0], manifests[2])
    assert not list(tmp_path.iterdir())
