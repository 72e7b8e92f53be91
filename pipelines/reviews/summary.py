"""Render an auditor's summary of a review as one HTML page that loads nothing."""

import json

import duckdb

from pipelines.report.render import render_page
from pipelines.reviews.population import TARGETS, unread
from pipelines.reviews.progress import PublishedReview, read_progress, read_removals

# A browser does not open a much larger page at once. The rest stays in the published file.
MAX_LISTED = 1_000


def render_summary(connection: duckdb.DuckDBPyConnection, review: PublishedReview) -> str:
    """Return the page as HTML.

    Args:
        connection: to the published file.
        review: the review.
    """
    proofs = json.loads(review.completeness)
    reviewers = read_progress(connection, review)
    query = "SELECT max(started_at) FROM snapshots WHERE integration = ?"
    ((latest,),) = connection.execute(query, [review.integration]).fetchall()
    return render_page(
        "review.html",
        f"Access review {review.review_id}",
        review=review,
        proofs=proofs,
        unread=unread((proof["endpoint"] for proof in proofs), review.reviewed_by),
        reviewers=reviewers[:MAX_LISTED],
        reviewer_count=len(reviewers),
        removals=read_removals(connection, review, MAX_LISTED),
        targets=TARGETS,
        latest=latest,
    )
