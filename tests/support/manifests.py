"""Manifests, pulls and a small asset table for unit tests that pull nothing."""

from collections.abc import Iterable
from datetime import timedelta

import pyarrow as pa

from pipelines.history.manifest import IntegrationFacts, Manifest, PullFacts
from pipelines.schema.model import Column, Table
from tests.support.publisher import FIRST_DAY, Rows

BADGES = Table(
    "badges",
    "Badges",
    key=("badge_id",),
    columns=(
        Column("integration", "TEXT", "Integration"),
        Column("badge_id", "TEXT", "Badge"),
        Column("owner", "TEXT", "Owner"),
        Column("door_count", "BIGINT", "Number of doors", endpoints=("doors",)),
    ),
    endpoints=("badges",),
    is_asset=True,
    labels=("owner",),
)


def make_badges(*rows: tuple[str, str | None, int]) -> pa.Table:
    """Return badges as a transform returns them: id, owner and number of doors."""
    names = ("badge_id", "owner", "door_count")
    values: Rows = [{"integration": "acme", **dict(zip(names, row, strict=True))} for row in rows]
    return pa.Table.from_pylist(values, schema=BADGES.arrow_schema)


def publish_badges(day: int, *rows: tuple[str, str | None, int]) -> pa.Table:
    """Return published badges that were seen first and last on that day."""
    badges = make_badges(*rows)
    for name in ("first_seen_at", "last_seen_at"):
        times = [FIRST_DAY + timedelta(days=day)] * badges.num_rows
        badges = badges.append_column(name, pa.array(times, pa.timestamp("us", tz="UTC")))
    return badges


def make_pull(
    day: int = 0,
    endpoints: Iterable[str] = ("badges", "doors"),
    association_targets: Iterable[str] = (),
) -> PullFacts:
    """Return the facts of a pull that day, of these endpoints and association targets."""
    started_at = FIRST_DAY + timedelta(days=day)
    return PullFacts(
        started_at=started_at,
        finished_at=started_at + timedelta(minutes=1),
        api_calls=1,
        api_retries=0,
        throttled=0,
        organization_id=None,
        organization_name=None,
        endpoints=frozenset(endpoints),
        association_targets=frozenset(association_targets),
    )


def make_manifest(name: str, day: int) -> Manifest:
    """Return the manifest of a snapshot with tables, of an integration on that day."""
    pull = make_pull(day)
    return Manifest(
        snapshot_id=f"{pull.started_at:%Y%m%dT%H%M%SZ}",
        run_id="run-1",
        integration=IntegrationFacts(
            name=name, type="jumpcloud", scope="cloud", description="", region="us", enabled=True
        ),
        pull=pull,
        rows={"badges": 1},
        sha256={"badges": "", "changes": ""},
    )
