"""Store the populations and decisions of access reviews next to the history, in immutable files.

    reviews/integration=<name>/review=<id>/
        items.parquet               the population: one row for each access
        review.json                 what it was taken from; written last, so that it is the commit
        decisions-<time>.parquet    one for each imported workbook

In an object store the same names are keys, and the folder holds copies.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import InventoryError
from pipelines.history.store import EVERY, file_sha256
from pipelines.storage.atomic import flush_folders, replace_durably, write_parquet, write_text

if TYPE_CHECKING:
    from pipelines.storage.object_store import ObjectStore

FOLDER = "reviews"
Kind = Literal["manager", "application", "system-group", "sudo"]
_INTEGRATION, _REVIEW = "integration=", "review="
_FACTS, _ITEMS, _DECISIONS = "review.json", "items.parquet", "decisions-"
_STAMP = "%Y%m%dT%H%M%S"


class ListProof(BaseModel):
    """Proof that the lists of an endpoint were read completely, in sums.

    Attributes:
        endpoint: the endpoint.
        proof: kind of the proof.
        lists: number of lists.
        expected: total that JumpCloud reported; None without a report.
        received: records received.
        holes: records reported but not returned.
    """

    model_config = ConfigDict(frozen=True)

    endpoint: str
    proof: str
    lists: int
    expected: int | None = None
    received: int | None = None
    holes: int | None = None


class Review(BaseModel):
    """What a review was taken from.

    Attributes:
        review_id: its id; ids in order are in the order of time.
        kind: property by which the population is divided among reviewers.
        created_at: time of creation.
        snapshot_id: the snapshot.
        pulled_at: start of the snapshot's pull.
        manifest_sha256: digest of the snapshot's manifest.
        organization: name of the organization; empty if it was not read.
        items: number of accesses in the population.
        population_sha256: digest of the file that holds the population.
        completeness: proof of each list of the pull.
    """

    model_config = ConfigDict(frozen=True)

    review_id: str
    kind: Kind
    created_at: datetime
    snapshot_id: str
    pulled_at: datetime
    manifest_sha256: str
    organization: str
    items: int
    population_sha256: str
    completeness: tuple[ListProof, ...]


@dataclass(frozen=True)
class StoredReview:
    """A review in the store.

    Attributes:
        integration: name of the integration, which only the folder has.
        facts: what it was taken from.
        folder: folder of its files.
    """

    integration: str
    facts: Review
    folder: Path

    @property
    def items(self) -> Path:
        """Return the file of the population.

        Raises:
            InventoryError: it is missing or damaged.
        """
        path = self.folder / _ITEMS
        if not path.exists() or file_sha256(path) != self.facts.population_sha256:
            raise InventoryError(
                f"{path}: missing or damaged. Restore it from a backup; without one, remove "
                f"{self.folder}, which gives the review up"
            )
        return path

    @property
    def decisions(self) -> list[Path]:
        """Return the files of imported decisions, oldest first."""
        return sorted(self.folder.glob(f"{_DECISIONS}*.parquet"))


class ReviewStore:
    """The reviews of all integrations.

    Args:
        root: the folder of the reviews, or of their copies.
        objects: the object store, if the history is in one.
    """

    def __init__(self, root: Path, objects: "ObjectStore | None" = None) -> None:
        self._root = root
        self._objects = objects

    def reviews(self, integration: str = EVERY) -> list[StoredReview]:
        """Return the reviews of an integration or of all, oldest first within each.

        Raises:
            InventoryError: a later version wrote one of them.
        """
        if self._objects:
            self._download(self._objects)
        paths = self._root.glob(f"{_INTEGRATION}{integration}/{_REVIEW}*/{_FACTS}")
        return [_read(path) for path in sorted(paths)]

    def create(self, integration: str, facts: Review, items: pa.Table) -> StoredReview:
        """Store a new review.

        Args:
            integration: name of the integration.
            facts: what it was taken from, without id and digest of the population.
            items: the population.
        """
        folder = self._root / f"{_INTEGRATION}{integration}"
        scratch = folder / f".{_ITEMS}"
        write_parquet(items, scratch)
        digest = file_sha256(scratch)
        review_id = f"{facts.created_at:{_STAMP}}Z-{digest[:8]}"
        facts = facts.model_copy(update={"review_id": review_id, "population_sha256": digest})
        own = folder / f"{_REVIEW}{review_id}"
        self._put(scratch, own / _ITEMS)
        write_text(facts.model_dump_json(indent=1), folder / f".{_FACTS}")
        self._put(folder / f".{_FACTS}", own / _FACTS)
        return StoredReview(integration, facts, own)

    def add_decisions(self, review: StoredReview, rows: pa.Table, decided_at: datetime) -> None:
        """Store the decisions of one imported workbook; no other has the same time."""
        name = f"{_DECISIONS}{decided_at:{_STAMP}.%f}Z.parquet"
        scratch = review.folder.with_name(f".{name}")
        write_parquet(rows, scratch)
        self._put(scratch, review.folder / name)

    def discard(self, review: StoredReview) -> None:
        """Remove a review that has no workbooks."""
        if self._objects:
            keys = [self._key(review.folder / name) for name in (_FACTS, _ITEMS)]
            self._objects.delete(keys)
        shutil.rmtree(review.folder)

    def drop(self, integration: str) -> None:
        """Remove all reviews of an integration. After a crash, call it again."""
        folder = self._root / f"{_INTEGRATION}{integration}"
        if self._objects:
            self._objects.delete([key for key, _ in self._objects.objects(self._key(folder))])
        if folder.exists():
            shutil.rmtree(folder)

    def rename(self, old: str, new: str) -> None:
        """Give the reviews of an integration another name. After a crash, call it again."""
        before, after = (self._root / f"{_INTEGRATION}{name}" for name in (old, new))
        if self._objects:
            for key, _ in self._objects.objects(self._key(before)):
                target = key.replace(self._key(before), self._key(after), 1)
                self._objects.copy(key, target)
                self._objects.delete([key])
        for folder in before.glob(f"{_REVIEW}*"):
            after.mkdir(parents=True, exist_ok=True)
            folder.replace(after / folder.name)
            flush_folders([after / folder.name], self._root.parent)
        if before.exists():
            shutil.rmtree(before)

    def _key(self, path: Path) -> str:
        return f"{FOLDER}/{path.relative_to(self._root).as_posix()}"

    def _put(self, scratch: Path, path: Path) -> None:
        """Move a finished file to its place, the object first: a copy without one is removed."""
        if self._objects:
            self._objects.put(self._key(path), scratch)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_durably(scratch, path)
        flush_folders([path], self._root.parent)

    def _download(self, objects: "ObjectStore") -> None:
        """Copy the objects that have no copy yet, and remove copies without an object."""
        keys = {key for key, _ in objects.objects(FOLDER)}
        for path in [*self._root.rglob("*.parquet"), *self._root.rglob(_FACTS)]:
            if self._key(path) not in keys and not path.name.startswith("."):
                path.unlink()
        for key in sorted(keys):
            path = self._root / key.removeprefix(f"{FOLDER}/")
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(f".{path.name}.{os.getpid()}")
                objects.download(key, part)
                part.replace(path)


def _read(path: Path) -> StoredReview:
    try:
        facts = Review.model_validate_json(path.read_bytes())
    except ValidationError:
        raise InventoryError(
            f"{path}: not a review that this version can read. Was it written by a later one?"
        ) from None
    return StoredReview(path.parent.parent.name.removeprefix(_INTEGRATION), facts, path.parent)


def find_review(reviews: list[StoredReview], review_id: str) -> StoredReview:
    """Return the review with this id.

    Raises:
        InventoryError: there is none.
    """
    for review in reviews:
        if review.facts.review_id == review_id:
            return review
    known = ", ".join(_ids(reviews)) or "none"
    raise InventoryError(f"there is no review {review_id!r}; there are: {known}")


def _ids(reviews: list[StoredReview]) -> Iterator[str]:
    return (review.facts.review_id for review in reviews)
