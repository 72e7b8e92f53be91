"""Reviews in an object store: every machine has the same ones, also after rename and forget."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.errors import InventoryError
from pipelines.reviews.store import Review, ReviewStore, find_review
from pipelines.storage.object_store import ObjectStore
from tests.support.machines import URL

NOW = datetime(2026, 11, 30, 8, tzinfo=UTC)
FACTS = Review(
    review_id="",
    kind="manager",
    created_at=NOW,
    snapshot_id="20261130T080000Z",
    pulled_at=NOW,
    manifest_sha256="0" * 64,
    organization="Acme",
    items=1,
    population_sha256="",
    completeness=(),
)
ITEMS = pa.table({"item": [1]})


@pytest.mark.usefixtures("s3")
def test_every_machine_has_the_same_reviews(tmp_path: Path) -> None:
    one, other = (ReviewStore(tmp_path / name / "reviews", ObjectStore(URL)) for name in "ab")
    stored = one.create("acme", FACTS, ITEMS)
    one.add_decisions(stored, ITEMS, NOW)
    (found,) = other.reviews()
    assert (found.integration, found.facts) == ("acme", stored.facts)
    assert found.items.read_bytes() == stored.items.read_bytes()
    decisions = [path.name for path in found.decisions]
    assert decisions == ["decisions-20261130T080000.000000Z.parquet"]

    other.rename("acme", "new")
    (renamed,) = one.reviews("new")
    assert renamed.facts == stored.facts
    assert [path.name for path in renamed.decisions] == decisions
    assert one.reviews("acme") == []
    one.drop("new")
    assert other.reviews() == []
    assert not list(tmp_path.rglob("*.parquet"))


def test_damaged_population_is_not_used(tmp_path: Path) -> None:
    stored = ReviewStore(tmp_path).create("acme", FACTS, ITEMS)
    (
        tmp_path / "integration=acme" / f"review={stored.facts.review_id}" / "items.parquet"
    ).write_text("")
    (found,) = ReviewStore(tmp_path).reviews()
    with pytest.raises(InventoryError, match="missing or damaged"):
        _ = found.items
    with pytest.raises(
        InventoryError, match=f"there is no review 'x'; there are: {stored.facts.review_id}"
    ):
        find_review([found], "x")
