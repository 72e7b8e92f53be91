"""A history in an object store: what counts, who wins, and what a lost machine leaves behind."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.dataset as ds
import pytest

from pipelines.config.settings import KeepSnapshots
from pipelines.errors import InventoryError
from pipelines.history import object_store as mirrored_history
from pipelines.history.retention import expire_snapshots
from pipelines.publish.database import update_duckdb_file
from pipelines.publish.object import ObjectStoreBackend
from pipelines.simulator import generate
from pipelines.storage.object_store import ConflictError, ObjectStoreError
from tests.support.machines import SMALL, Machine, ids_seen_by
from tests.support.publisher import Publisher, Pulled, on_day, tables_in
from tests.support.s3 import S3Request, S3Server

REQUESTS_BETWEEN = 6


def test_machines_in_turn_publish_what_one_alone_would(
    pull: Callable[..., Pulled], publisher: Publisher, machine: Callable[[str], Machine]
) -> None:
    organization = generate(sizes=SMALL)
    one, other, third = map(machine, ["one", "other", "third"])
    for day, each in enumerate([one, one, other, one, other]):
        pulled = on_day(day, pull(organization))
        each.publish(pulled)
        each.publish_object()
        publisher.publish(pulled)
        organization.remove_system(next(iter(organization.systems)))
        organization.add_user(username=f"person.{day}")
    expected = tables_in(publisher.file)
    assert tables_in(other.file) == expected
    update_duckdb_file(third.history, third.file)
    assert tables_in(third.file) == expected
    assert ObjectStoreBackend(third.store, third.home).fetch(third.file)
    assert tables_in(third.file) == expected
    assert ids_seen_by(third) == publisher.history.snapshot_ids("acme")


def test_any_engine_reads_the_parquet_as_one_dataset(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], fast_tmp_path: Path
) -> None:
    one = machine("one")
    for day in range(2):
        one.publish(on_day(day, pull(generate(sizes=SMALL))))
    for key, _ in one.store.objects("history/users"):
        path = fast_tmp_path / key
        path.parent.mkdir(parents=True)
        one.store.download(key, path)
    rows = ds.dataset(fast_tmp_path / "history/users", partitioning="hive").to_table()
    assert set(rows["integration"].to_pylist()) == {"acme"}
    assert len(set(rows["snapshot"].to_pylist())) == 2


def test_of_two_that_publish_at_once_one_wins_and_the_other_starts_anew(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one, other = machine("one"), machine("other")
    one.publish(on_day(0, pulled))
    late = other.history
    assert late.snapshot_ids("acme")
    won = one.publish(on_day(1, pulled))
    with monkeypatch.context() as patched:
        patched.setattr(Machine, "history", late)
        with pytest.raises(ConflictError, match="another machine wrote it meanwhile; run again"):
            other.publish(on_day(2, pulled))
    assert ids_seen_by(other)[-1] == won.snapshot_id
    again = other.publish(on_day(3, pulled))
    assert ids_seen_by(one)[-1] == again.snapshot_id
    assert len(ids_seen_by(one)) == 3


def test_two_in_the_same_second_take_different_ids(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], s3: S3Server
) -> None:
    pulled = on_day(0, pull(generate(sizes=SMALL)))
    lost, next_one = machine("lost"), machine("next")
    s3.is_refused = lambda request: request.method == "PUT" and "/changes/" in request.path
    with pytest.raises(ObjectStoreError):
        lost.publish(pulled)
    s3.is_refused = lambda _: False
    assert next_one.publish(pulled).snapshot_id.endswith("-2")


def test_who_loses_an_id_does_not_take_its_own_files_for_those_that_count(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = generate(sizes=SMALL)
    one, other = machine("one"), machine("other")
    one.publish(on_day(0, pull(organization)))
    won = on_day(1, pull(organization))
    organization.add_user(username="new.person")
    lost = on_day(1, pull(organization))
    late = other.history
    assert late.snapshot_ids("acme")
    one.publish(won)
    with monkeypatch.context() as patched:
        # It asked before the other machine wrote.
        patched.setattr(late, "reserved_ids", lambda _: [])
        patched.setattr(Machine, "history", late)
        with pytest.raises(ConflictError):
            other.publish(lost)
    again = other.publish(on_day(2, lost))
    assert again.rows["changes"] == 1
    assert len(ids_seen_by(other)) == 3


def test_a_machine_lost_at_any_request_harms_nobody(
    pull: Callable[..., Pulled],
    machine: Callable[[str], Machine],
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mirrored_history, "ORPHAN_AGE", mirrored_history.ORPHAN_AGE * -1)
    pulled = pull(generate(sizes=SMALL))
    next_one, lost = machine("next"), machine("lost")
    next_one.publish(on_day(0, pulled))
    points, committed, is_lost = 0, 0, True
    while is_lost:
        known = ids_seen_by(next_one)
        s3.is_refused = after(s3, len(s3.requests) + REQUESTS_BETWEEN * points)
        is_lost = is_lost_at_last(lost, on_day(2 * points + 1, pulled))
        s3.is_refused = lambda _: False
        now = ids_seen_by(next_one)
        assert now in (known, [*known, now[-1]])
        committed += now != known
        next_one.publish(on_day(2 * points + 2, pulled))
        next_one.publish_object()
        assert len(ids_seen_by(next_one)) == len(now) + 1
        points += 1
    assert points > 10
    # Also between the commit and the last request.
    assert 1 < committed < points
    expire_snapshots(next_one.history, "acme", KeepSnapshots())
    assert orphans(next_one) == set()


def is_lost_at_last(machine: Machine, pulled: Pulled) -> bool:
    """Publish; whether the store was out of reach before the end."""
    try:
        machine.publish(pulled)
        machine.publish_object()
    except InventoryError:
        return True
    return False


def after(s3: S3Server, count: int) -> Callable[[S3Request], bool]:
    """Whether so many requests have come."""
    return lambda _: len(s3.requests) > count


def orphans(machine: Machine) -> set[str]:
    """The objects of the history that no manifest names."""
    named = set()
    for manifest in machine.history.manifests():
        where = f"integration={manifest.integration.name}/snapshot={manifest.snapshot_id}"
        named |= {f"history/{table}/{where}/part-0.parquet" for table in manifest.sha256}
    keys = {key for key, _ in machine.store.objects("history")}
    manifests = {key for key in keys if key.startswith("history/_manifests/")}
    assert len(manifests) == len(machine.history.manifests()) + 1
    return keys - manifests - named


def test_a_commit_whose_answer_is_lost_counts_once(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], s3: S3Server
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one = machine("one")
    one.publish(on_day(0, pulled))
    lost: list[S3Request] = []

    def loses(request: S3Request) -> bool:
        if lost or request.method != "PUT" or not request.path.endswith("/index.json"):
            return False
        lost.append(request)
        return True

    s3.loses_answer = loses
    one.publish(on_day(1, pulled))
    assert lost
    assert len(ids_seen_by(one)) == 2


def test_of_two_that_renew_a_file_the_later_one_has_what_both_published(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine]
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one, other = machine("one"), machine("other")
    one.publish(on_day(0, pulled))
    one.publish_object()
    published = ObjectStoreBackend(one.store, one.home)
    made = 0

    def make() -> None:
        nonlocal made
        made += 1
        if made == 1:
            update_duckdb_file(one.history, one.file)
            other.publish(on_day(1, pulled))
            other.publish_object()
        else:
            update_duckdb_file(one.history, one.file)

    published.renew(one.file, make)
    assert made == 2
    with duckdb.connect(one.file, read_only=True) as connection:
        assert connection.sql("SELECT count(*) FROM snapshots").fetchall() == [(2,)]


def test_the_file_over_all_grows_by_what_was_published_since(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], s3: S3Server
) -> None:
    organization = generate(sizes=SMALL)
    pulled = pull(organization)
    one, over_all = machine("one"), machine("over all")
    for name in ("acme", "bolt", "cord"):
        one.publish(on_day(0, pulled), name=name)
    over_all.publish_object()
    organization.add_user(username="new.person")
    one.publish(on_day(1, pull(organization)), name="bolt")
    # As on a machine that has no copy of the history.
    shutil.rmtree(over_all.home / "history")
    sent = len(s3.requests)
    over_all.publish_object()
    read = [each.path for each in s3.requests[sent:] if each.method == "GET"]
    parts = [path for path in read if path.endswith(".parquet")]
    assert parts
    assert all("/integration=bolt/" in path for path in parts)
    others = [path for path in read if "/integration=bolt/" not in path]
    assert len([path for path in others if path.endswith("/index.json")]) == 2
    assert len(others) <= 3
    assert tables_in(over_all.file) == tables_in(one.file)


def test_a_thinned_history_is_the_same_on_every_machine(
    pull: Callable[..., Pulled],
    machine: Callable[[str], Machine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mirrored_history, "ORPHAN_AGE", mirrored_history.ORPHAN_AGE * -1)
    pulled = pull(generate(sizes=SMALL))
    one, other = machine("one"), machine("other")
    manifests = [one.publish(on_day(day, pulled)) for day in range(4)]
    assert [each.has_tables for each in other.history.manifests()] == [True] * 4
    expire_snapshots(one.history, "acme", KeepSnapshots(all_for_days=1, then="none"))
    seen = other.history.manifests()
    assert [each.has_tables for each in seen] == [False, False, True, True]
    gone = manifests[0].snapshot_id
    left = {key.split("/")[1] for key, _ in one.store.objects("history") if gone in key}
    assert left == {"_manifests", *seen[0].sha256}


def test_a_run_leaves_what_another_command_of_its_machine_reads(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one = machine("one")
    first = one.publish(on_day(0, pulled)).snapshot_id
    one.publish(on_day(1, pulled))
    # As `diff` and `sql --at` do: the paths first, then what is in them.
    read = one.history.part("users", "acme", first)
    coming = one.history.manifest_path("acme", first).with_name(f".{first}.json.coming")
    coming.touch()
    one.publish(on_day(2, pulled))
    assert read.exists()
    assert coming.exists()
    monkeypatch.setattr(mirrored_history, "UNUSED_AGE", mirrored_history.UNUSED_AGE * -1)
    latest = one.publish(on_day(3, pulled)).snapshot_id
    expire_snapshots(one.history, "acme", KeepSnapshots())
    assert {path.name for path in read.parents[1].iterdir()} == {f"snapshot={latest}"}
    assert not coming.exists()
