"""Old snapshots lose their tables, but not the metadata of their pulls."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config.settings import KeepSnapshots
from pipelines.history.commit import ABSENT_ASSETS
from pipelines.history.manifest import LASTING_TABLES, Manifest
from pipelines.history.retention import expire_snapshots, snapshots_to_keep
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import build_duckdb_file
from pipelines.simulator import Organization, Sizes, generate
from tests.support.publisher import FIRST_DAY, Publisher, Pulled, on_day, tables_in

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)

gaps = st.lists(st.integers(1, 24 * 40), max_size=40)
policies = st.builds(
    KeepSnapshots, all_for_days=st.integers(1, 20), then=st.sampled_from(["monthly", "none"])
)


def make_starts(hours_between: list[int]) -> dict[str, datetime]:
    """Return starts of snapshots with these distances, oldest first."""
    starts = [FIRST_DAY]
    for hours in hours_between:
        starts.append(starts[-1] + timedelta(hours=hours))
    return {f"{start:%Y%m%dT%H%M%SZ}": start for start in starts}


@given(gaps, policies)
def test_recent_days_and_first_of_each_month_are_kept(
    hours_between: list[int], keep: KeepSnapshots
) -> None:
    starts = make_starts(hours_between)
    kept = snapshots_to_keep(starts, keep)
    days = sorted({start.date() for start in starts.values()})
    firsts = {min(key for key in starts if key.startswith(f"{day:%Y%m}")) for day in days}
    for snapshot_id, start in starts.items():
        is_recent = start.date() in days[-keep.all_for_days :]
        is_kept = is_recent or (keep.then == "monthly" and snapshot_id in firsts)
        assert (snapshot_id in kept) == (is_kept or snapshot_id in list(starts)[-2:])


@given(gaps, policies)
def test_expiring_after_each_pull_equals_expiring_once(
    hours_between: list[int], keep: KeepSnapshots
) -> None:
    starts = make_starts(hours_between)
    left: dict[str, datetime] = {}
    for snapshot_id, start in starts.items():
        left[snapshot_id] = start
        kept = snapshots_to_keep(left, keep)
        assert snapshot_id in kept
        left = {name: left[name] for name in left if name in kept}
    assert left.keys() == snapshots_to_keep(starts, keep)


def test_outage_of_a_year_expires_nothing() -> None:
    starts = make_starts([12] * 100)
    late = max(starts.values()) + timedelta(days=365)
    starts["late"] = late
    keep = KeepSnapshots(all_for_days=90)
    assert snapshots_to_keep(starts, keep) == starts.keys()


def test_no_snapshots_keep_nothing() -> None:
    assert snapshots_to_keep({}, KeepSnapshots()) == frozenset()


CommitAll = Callable[[Organization, int], list[Manifest]]


@pytest.fixture
def commit_on_days(pull: Callable[..., Pulled], publisher: Publisher) -> CommitAll:
    """Return a function that commits on consecutive days; the third day has changes."""

    def commit(organization: Organization, count: int) -> list[Manifest]:
        manifests = []
        pulled = pull(organization)
        for day in range(count):
            if day == 2:
                organization.remove_system(next(iter(organization.systems)))
                organization.add_user(username="new.person")
                pulled = pull(organization)
            manifests.append(publisher.commit(on_day(day, pulled)))
        return manifests

    return commit


def test_rebuild_after_expiration_gives_equal_tables(
    commit_on_days: CommitAll, publisher: Publisher
) -> None:
    manifests = commit_on_days(generate(sizes=SMALL), 5)
    history = publisher.history
    build_duckdb_file(history, publisher.file)
    before = tables_in(publisher.file)
    expire_snapshots(history, "acme", KeepSnapshots(all_for_days=2))
    # 30 and 31 January, 1 to 3 February: the first of each month, and the last two days.
    kept = [manifest.has_tables for manifest in history.manifests("acme")]
    assert kept == [True, False, True, True, True]
    gone = manifests[1].snapshot_id
    left = {path.parent.parent.parent.name for path in history.root.glob(f"*/*/*={gone}/*")}
    assert left == {*manifests[1].sha256} & LASTING_TABLES
    build_duckdb_file(history, publisher.file)
    assert tables_in(publisher.file) == before
    assert before["changes"]
    assert len(before["snapshots"]) == 5


def test_publication_reads_no_manifest_of_expired_snapshots(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=SMALL)
    pulled = pull(organization)
    for day in range(4):
        publisher.publish(on_day(day, pulled))
    history = publisher.history
    keep = KeepSnapshots(all_for_days=2, then="none")
    expire_snapshots(history, "acme", keep)
    # Their number grows forever, so that nothing may depend on their content.
    for snapshot_id in history.snapshot_ids("acme")[:2]:
        history.manifest_path("acme", snapshot_id).write_text("unreadable")
    latest = publisher.publish(on_day(4, pulled))
    expire_snapshots(history, "acme", keep)
    assert history.kept_ids("acme") == history.snapshot_ids("acme")[-2:]
    assert history.kept_ids("acme")[-1] == latest.snapshot_id
    parts = history.root.glob("completeness/integration=acme/snapshot=*")
    assert len(list(parts)) == 5


def test_first_seen_survives_expiration(pull: Callable[..., Pulled], publisher: Publisher) -> None:
    organization = generate(sizes=SMALL)
    system_id = next(iter(organization.systems))
    record = dict(organization.systems[system_id])
    first = publisher.commit(pull(organization)).pull.started_at
    organization.remove_system(system_id)
    for _ in range(3):
        publisher.commit(pull(organization))
    publisher.history.expire("acme", publisher.history.snapshot_ids("acme")[:-1])
    with organization.edit():
        organization.systems[system_id] = record
        organization.deleted.discard(system_id)
    publisher.publish(pull(organization))
    (row,) = publisher.rows(f"FROM systems WHERE system_id = '{system_id}'")
    assert row["first_seen_at"] == first


def test_first_seen_survives_a_history_without_absent_assets(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=SMALL)
    system_id = next(iter(organization.systems))
    record = dict(organization.systems[system_id])
    first = publisher.commit(pull(organization)).pull.started_at
    organization.remove_system(system_id)
    for _ in range(2):
        publisher.commit(pull(organization))
    history = publisher.history
    for manifest in history.manifests("acme"):
        digests = {name: sha for name, sha in manifest.sha256.items() if name != ABSENT_ASSETS.name}
        history.commit(manifest.model_copy(update={"sha256": digests}))
    history.remove_orphan_files("acme")
    assert not list((history.root / ABSENT_ASSETS.name).rglob("*.parquet"))
    for _ in range(2):
        publisher.commit(pull(organization))
    with organization.edit():
        organization.systems[system_id] = record
        organization.deleted.discard(system_id)
    publisher.publish(pull(organization))
    (row,) = publisher.rows(f"FROM systems WHERE system_id = '{system_id}'")
    assert row["first_seen_at"] == first
    absent = history.read(ABSENT_ASSETS, "acme", history.snapshot_ids("acme")[-1])
    assert system_id not in absent["asset_id"].to_pylist()


def test_next_publication_removes_orphans_of_a_crash(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=SMALL)
    other = publisher.commit(pull(organization), "b")
    old, _ = (publisher.commit(pull(organization)) for _ in range(2))
    history = publisher.history
    history.expire("acme", [old.snapshot_id])
    assert history.part("systems", "acme", old.snapshot_id).exists()
    publisher.commit(pull(organization))
    assert tables_with_files(history, "acme", old.snapshot_id) == {*old.sha256} & LASTING_TABLES
    assert tables_with_files(history, "b", other.snapshot_id) == {*other.sha256}


def tables_with_files(history: SnapshotStore, integration: str, snapshot_id: str) -> set[str]:
    """Return the tables that have a file of the snapshot."""
    pattern = f"*/integration={integration}/snapshot={snapshot_id}"
    return {path.parts[-3] for path in history.root.glob(pattern)}


def test_expiring_twice_changes_nothing(commit_on_days: CommitAll, publisher: Publisher) -> None:
    commit_on_days(generate(sizes=SMALL), 4)
    history, keep = publisher.history, KeepSnapshots(all_for_days=1, then="none")
    expire_snapshots(history, "acme", keep)
    once = contents(history.root)
    expire_snapshots(history, "acme", keep)
    assert contents(history.root) == once
    kept = [manifest.has_tables for manifest in history.manifests("acme")]
    assert kept == [False, False, True, True]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
