"""Read from the published file how far access reviews are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from pipelines.errors import InventoryError
from pipelines.reviews.outcomes import COUNTS

_REMOVALS = """
SELECT item, reviewer, username, target_type, target_name, coalesce(reason, ''), decided_at,
    removed_after, removed_before, returned_after, returned_before
FROM review_items WHERE integration = $integration AND review_id = $review_id
    AND decision = 'remove'
ORDER BY returned_before IS NULL, removed_before IS NOT NULL, item LIMIT $limit
"""


@dataclass(frozen=True)
class Progress:
    """Numbers of accesses, of a review or of one of its reviewers.

    Attributes:
        name: name of the reviewer; empty for the review.
        items: all.
        decided: those with a decision.
        to_remove: those to remove, as decided.
        removed: those to remove that are gone.
        returned: those to remove that were gone and are there again.
    """

    name: str
    items: int
    decided: int
    to_remove: int
    removed: int
    returned: int


@dataclass(frozen=True)
class PublishedReview:
    """A review in the published file.

    Attributes:
        integration: name of the integration.
        review_id: its id.
        reviewed_by: property by which the population is divided among reviewers.
        created_at: time of creation.
        snapshot_id: the snapshot that the population was taken from.
        pulled_at: start of that snapshot's pull.
        manifest_sha256: digest of that snapshot's manifest.
        population_sha256: digest of the file that holds the population.
        completeness: proof of each list of the pull, as JSON.
        total: its numbers.
    """

    integration: str
    review_id: str
    reviewed_by: str
    created_at: datetime
    snapshot_id: str
    pulled_at: datetime
    manifest_sha256: str
    population_sha256: str
    completeness: str
    total: Progress


@dataclass(frozen=True)
class Removal:
    """An access to remove.

    Attributes:
        item: its number.
        reviewer: name of the reviewer.
        username: user who has it.
        target_type: kind of the target.
        target_name: name of the target.
        reason: reason that the reviewer gave.
        decided_at: time of the import.
        removed_after: start of the last pull that found it before it was gone.
        removed_before: start of the pull that did not; None if it is not gone.
        returned_after: start of the last pull that did not find it before it was back.
        returned_before: start of the pull that found it again; None if it is not back.
    """

    item: int
    reviewer: str
    username: str
    target_type: str
    target_name: str
    reason: str
    decided_at: datetime
    removed_after: datetime | None
    removed_before: datetime | None
    returned_after: datetime | None
    returned_before: datetime | None


def list_reviews(
    connection: duckdb.DuckDBPyConnection, integration: str | None, review_id: str | None = None
) -> list[PublishedReview]:
    """Return the reviews in the published file, oldest first within an integration.

    Args:
        connection: to the file.
        integration: the only integration; None for all.
        review_id: the only review; None for all.

    Raises:
        InventoryError: there is no review with that id.
    """
    rows = connection.execute(
        """
SELECT struct_pack(integration, review_id, reviewed_by, created_at, snapshot_id, pulled_at,
    manifest_sha256, population_sha256, completeness),
    [items, decided, to_remove, removed, returned]
FROM reviews WHERE coalesce(integration = $integration, TRUE) ORDER BY integration, review_id
""",
        {"integration": integration},
    ).fetchall()
    found = [PublishedReview(total=Progress("", *counts), **facts) for facts, counts in rows]
    chosen = [one for one in found if review_id in {None, one.review_id}]
    if review_id and not chosen:
        known = ", ".join(one.review_id for one in found) or "none"
        raise InventoryError(f"there is no review {review_id!r}; there are: {known}")
    return chosen


def read_progress(
    connection: duckdb.DuckDBPyConnection, review: PublishedReview
) -> Sequence[Progress]:
    """Return the numbers of each reviewer, those with the most undecided accesses first."""
    rows = connection.execute(
        f"SELECT any_value(reviewer), {COUNTS} FROM review_items "
        "WHERE integration = $integration AND review_id = $review_id "
        "GROUP BY reviewer_id ORDER BY count(*) - count(decision) DESC, min(item)",
        _key(review),
    ).fetchall()
    return [Progress(*row) for row in rows]


def read_removals(
    connection: duckdb.DuckDBPyConnection, review: PublishedReview, limit: int
) -> Sequence[Removal]:
    """Return the accesses to remove: those that are back first, then those that are still there."""
    rows = connection.execute(_REMOVALS, {**_key(review), "limit": limit}).fetchall()
    return [Removal(*row) for row in rows]


def _key(review: PublishedReview) -> dict[str, str]:
    return {"integration": review.integration, "review_id": review.review_id}
