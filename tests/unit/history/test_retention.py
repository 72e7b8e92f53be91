"""Old snapshots lose their tables; what tells of all pulls stays, and a crash leaves no orphan."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.config.settings import KeepSnapshots
from pipelines.history.first_seen import ABSENT
from pipelines.history.manifest import LASTING_TABLES, Manifest
from pipelines.history.retention import expire_snapshots, snapshots_to_keep
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import build_duckdb_file
from pipelines.schema.tables import TABLES
from pipelines.simulator import Organization, Sizes, generate
from tests.support.publisher import FIRST_DAY, Publisher, Pulled, Rows, on_day

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)

gaps = st.lists(st.integers(1, 24 * 40), max_size=40)
policies = st.builds(
    KeepSnapshots, all_for_days=st.integers(1, 20), then=st.sampled_from(["monthly", "none"])
)


def starts_of(hours_between: list[int]) -> dict[str, datetime]:
    """Snapshots that many hours apart, oldest first."""
    starts = [FIRST_DAY]
    for hours in hours_between:
        starts.append(starts[-1] + timedelta(hours=hours))
    return {f"{start:%Y%m%dT%H%M%SZ}": start for start in starts}


@given(gaps, policies)
def test_recent_days_and_the_first_of_each_month_are_kept(
    hours_between: list[int], keep: KeepSnapshots
) -> None:
    starts = starts_of(hours_between)
    kept = snapshots_to_keep(starts, keep)
    days = sorted({start.date() for start in starts.values()})
    firsts = {min(each for each in starts if each.startswith(f"{day:%Y%m}")) for day in days}
    for each, start in starts.items():
        is_recent = start.date() in days[-keep.all_for_days :]
        is_kept = is_recent or (keep.then == "monthly" and each in firsts)
        assert (each in kept) == (is_kept or each in list(starts)[-2:])


@given(gaps, policies)
def test_pruning_after_each_pull_keeps_what_pruning_at_the_end_keeps(
    hours_between: list[int], keep: KeepSnapshots
) -> None:
    starts = starts_of(hours_between)
    left: dict[str, datetime] = {}
    for each, start in starts.items():
        left[each] = start
        kept = snapshots_to_keep(left, keep)
        assert each in kept
        left = {name: left[name] for name in left if name in kept}
    assert left.keys() == snapshots_to_keep(starts, keep)


def test_an_outage_of_a_year_costs_no_history() -> None:
    starts = starts_of([12] * 100)
    late = max(starts.values()) + timedelta(days=365)
    starts["late"] = late
    keep = KeepSnapshots(all_for_days=90)
    assert snapshots_to_keep(starts, keep) == starts.keys()


def test_nothing_is_kept_of_nothing() -> None:
    assert snapshots_to_keep({}, KeepSnapshots()) == frozenset()


PublishAll = Callable[[Organization, int], list[Manifest]]


@pytest.fixture
def publish_on_days(pull: Callable[..., Pulled], publisher: Publisher) -> PublishAll:
    """Publish an organization on so many consecutive days; it changes on the third."""

    def publish(organization: Organization, count: int) -> list[Manifest]:
        manifests = []
        pulled = pull(organization)
        for day in range(count):
            if day == 2:
                organization.remove_system(next(iter(organization.systems)))
                organization.add_user(username="new.person")
                pulled = pull(organization)
            manifests.append(publisher.publish(on_day(day, pulled)))
        return manifests

    return publish


def everything(publisher: Publisher) -> dict[str, Rows]:
    return {name: publisher.rows(f"FROM {name} ORDER BY ALL") for name in TABLES}


def test_what_tells_of_all_pulls_survives_and_a_rebuild_is_equal(
    publish_on_days: PublishAll, publisher: Publisher
) -> None:
    manifests = publish_on_days(generate(sizes=SMALL), 5)
    before = everything(publisher)
    expire_snapshots(publisher.history, "acme", KeepSnapshots(all_for_days=2))
    history = publisher.history
    # 30 and 31 January, 1 to 3 February: the first of each month, and the last two days.
    kept = [each.has_tables for each in history.manifests("acme")]
    assert kept == [True, False, True, True, True]
    gone = manifests[1].snapshot_id
    left = {path.parent.parent.parent.name for path in history.root.glob(f"*/*/*={gone}/*")}
    assert left == {*manifests[1].sha256} & LASTING_TABLES
    build_duckdb_file(history, publisher.file)
    assert everything(publisher) == before
    assert before["changes"]
    assert len(before["snapshots"]) == 5


def test_first_sight_survives_the_snapshot_that_showed_it(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=SMALL)
    system_id = next(iter(organization.systems))
    record = dict(organization.systems[system_id])
    first = publisher.publish(pull(organization)).pull.started_at
    organization.remove_system(system_id)
    for _ in range(3):
        publisher.publish(pull(organization))
    for manifest in publisher.history.manifests("acme")[:-1]:
        publisher.history.commit(manifest.without_tables())
    with organization.edit():
        organization.systems[system_id] = record
        organization.deleted.discard(system_id)
    publisher.publish(pull(organization))
    (row,) = publisher.rows(f"FROM systems WHERE system_id = '{system_id}'")
    assert row["first_seen_at"] == first


def test_first_sight_survives_the_step_from_a_version_that_kept_no_table_of_absent_assets(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=SMALL)
    system_id = next(iter(organization.systems))
    record = dict(organization.systems[system_id])
    first = publisher.publish(pull(organization)).pull.started_at
    organization.remove_system(system_id)
    for _ in range(2):
        publisher.publish(pull(organization))
    history = publisher.history
    for manifest in history.manifests("acme"):
        digests = {name: each for name, each in manifest.sha256.items() if name != ABSENT.name}
        history.commit(manifest.model_copy(update={"sha256": digests}))
    history.remove_orphan_files("acme")
    assert not list((history.root / ABSENT.name).rglob("*.parquet"))
    for _ in range(2):
        publisher.publish(pull(organization))
    with organization.edit():
        organization.systems[system_id] = record
        organization.deleted.discard(system_id)
    publisher.publish(pull(organization))
    (row,) = publisher.rows(f"FROM systems WHERE system_id = '{system_id}'")
    assert row["first_seen_at"] == first
    absent = history.read(ABSENT, "acme", history.snapshot_ids("acme")[-1])
    assert system_id not in absent["asset_id"].to_pylist()


def test_a_crash_after_the_manifest_leaves_files_that_the_next_publication_sweeps(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = generate(sizes=SMALL)
    other = publisher.publish(pull(organization), "b")
    old, _ = (publisher.publish(pull(organization)) for _ in range(2))
    history = publisher.history
    history.commit(old.without_tables())
    assert history.part("systems", "acme", old.snapshot_id).exists()
    publisher.publish(pull(organization))
    assert files_of(history, "acme", old.snapshot_id) == {*old.sha256} & LASTING_TABLES
    assert files_of(history, "b", other.snapshot_id) == {*other.sha256}


def files_of(history: SnapshotStore, integration: str, snapshot_id: str) -> set[str]:
    """The tables of which the snapshot has a file."""
    pattern = f"*/integration={integration}/snapshot={snapshot_id}"
    return {path.parts[-3] for path in history.root.glob(pattern)}


def test_pruning_twice_changes_nothing(publish_on_days: PublishAll, publisher: Publisher) -> None:
    publish_on_days(generate(sizes=SMALL), 4)
    history, keep = publisher.history, KeepSnapshots(all_for_days=1, then="none")
    expire_snapshots(history, "acme", keep)
    once = contents(history.root)
    expire_snapshots(history, "acme", keep)
    assert contents(history.root) == once
    kept = [each.has_tables for each in history.manifests("acme")]
    assert kept == [False, False, True, True]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
