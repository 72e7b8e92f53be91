"""Snapshots in an object store: commits, conflicts, and machines lost at any request."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.dataset as ds
import pytest

from pipelines.config.settings import KeepSnapshots
from pipelines.errors import InventoryError
from pipelines.history import object_store
from pipelines.history.retention import expire_snapshots
from pipelines.publish.database import update_duckdb_file
from pipelines.publish.object import ObjectStoreBackend
from pipelines.simulator import generate
from pipelines.storage.object_store import ConflictError, ObjectStoreError
from tests.support.machines import SMALL, Machine, ids_seen_by
from tests.support.publisher import Publisher, Pulled, on_day, tables_in
from tests.support.s3 import S3Request, S3Server

# The first request that does not arrive: before the upload, during it, at its end, at the commit,
# and after it.
LOST_FROM = (
    ("GET", "/index.json"),
    ("PUT", "/systems/"),
    ("PUT", "/changes/"),
    ("PUT", "/_manifests/integration=acme/2"),
    ("PUT", "/index.json"),
    ("HEAD", "/inventory.duckdb"),
    ("PUT", "/inventory.duckdb"),
)
COMMITTED = 2


def test_machines_publishing_in_turn_equal_one_machine(
    pull: Callable[..., Pulled], publisher: Publisher, machine: Callable[[str], Machine]
) -> None:
    organization = generate(sizes=SMALL)
    one, other, third = map(machine, ["one", "other", "third"])
    for day, current in enumerate([one, one, other, one, other]):
        pulled = on_day(day, pull(organization))
        current.commit(pulled)
        current.publish_object()
        publisher.commit(pulled)
        organization.remove_system(next(iter(organization.systems)))
        organization.add_user(username=f"person.{day}")
    update_duckdb_file(publisher.history, publisher.file)
    expected = tables_in(publisher.file)
    assert tables_in(other.file) == expected
    update_duckdb_file(third.history, third.file)
    assert tables_in(third.file) == expected
    assert ObjectStoreBackend(third.store, third.home).fetch(third.file)
    assert tables_in(third.file) == expected
    assert ids_seen_by(third) == publisher.history.snapshot_ids("acme")


def test_objects_are_one_hive_partitioned_dataset(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], fast_tmp_path: Path
) -> None:
    one = machine("one")
    for day in range(2):
        one.commit(on_day(day, pull(generate(sizes=SMALL))))
    for key, _ in one.store.objects("history/users"):
        path = fast_tmp_path / key
        path.parent.mkdir(parents=True)
        one.store.download(key, path)
    rows = ds.dataset(fast_tmp_path / "history/users", partitioning="hive").to_table()
    assert set(rows["integration"].to_pylist()) == {"acme"}
    assert len(set(rows["snapshot"].to_pylist())) == 2


def test_concurrent_publication_conflicts_and_can_be_repeated(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one, other = machine("one"), machine("other")
    one.commit(on_day(0, pulled))
    late = other.history
    assert late.snapshot_ids("acme")
    won = one.commit(on_day(1, pulled))
    with monkeypatch.context() as patched:
        patched.setattr(Machine, "history", late)
        with pytest.raises(ConflictError, match="another machine has written it in the meantime"):
            other.commit(on_day(2, pulled))
    assert ids_seen_by(other)[-1] == won.snapshot_id
    again = other.commit(on_day(3, pulled))
    assert ids_seen_by(one)[-1] == again.snapshot_id
    assert len(ids_seen_by(one)) == 3


def test_id_of_an_unfinished_snapshot_is_not_reused(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], s3: S3Server
) -> None:
    pulled = on_day(0, pull(generate(sizes=SMALL)))
    lost, next_one = machine("lost"), machine("next")
    s3.is_refused = lambda request: request.method == "PUT" and "/changes/" in request.path
    with pytest.raises(ObjectStoreError):
        lost.commit(pulled)
    s3.is_refused = lambda _: False
    assert next_one.commit(pulled).snapshot_id.endswith("_2")


def test_files_of_a_lost_conflict_are_not_used_as_copies(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    organization = generate(sizes=SMALL)
    one, other = machine("one"), machine("other")
    one.commit(on_day(0, pull(organization)))
    won = on_day(1, pull(organization))
    organization.add_user(username="new.person")
    lost = on_day(1, pull(organization))
    late = other.history
    assert late.snapshot_ids("acme")
    one.commit(won)
    with monkeypatch.context() as patched:
        # It listed the ids before the other machine wrote.
        patched.setattr(late, "reserved_ids", lambda _: [])
        patched.setattr(Machine, "history", late)
        with pytest.raises(ConflictError):
            other.commit(lost)
    again = other.commit(on_day(2, lost))
    assert again.rows["changes"] == 1
    assert len(ids_seen_by(other)) == 3


def test_machine_lost_at_any_step_leaves_valid_history(
    pull: Callable[..., Pulled],
    machine: Callable[[str], Machine],
    s3: S3Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(object_store, "ORPHAN_AGE", object_store.ORPHAN_AGE * -1)
    pulled = pull(generate(sizes=SMALL))
    next_one, lost = machine("next"), machine("lost")
    next_one.commit(on_day(0, pulled))
    committed = 0
    for number, (method, words) in enumerate(LOST_FROM):
        known = ids_seen_by(next_one)
        s3.is_refused = is_from(method, words)
        assert is_lost_while_publishing(lost, on_day(2 * number + 1, pulled)), words
        s3.is_refused = lambda _: False
        now = ids_seen_by(next_one)
        assert now in (known, [*known, now[-1]])
        committed += now != known
        next_one.commit(on_day(2 * number + 2, pulled))
        next_one.publish_object()
        assert len(ids_seen_by(next_one)) == len(now) + 1
    assert committed == COMMITTED
    expire_snapshots(next_one.history, "acme", KeepSnapshots())
    assert orphans(next_one) == set()


def is_lost_while_publishing(machine: Machine, pulled: Pulled) -> bool:
    """Publish. Return True if the store became unreachable before the end."""
    try:
        machine.commit(pulled)
        machine.publish_object()
    except InventoryError:
        return True
    return False


def is_from(method: str, words: str) -> Callable[[S3Request], bool]:
    """Return a function that is True for the first such request, and all later ones."""
    refused: list[S3Request] = []

    def is_refused(request: S3Request) -> bool:
        if refused or (request.method == method and words in request.path):
            refused.append(request)
        return bool(refused)

    return is_refused


def orphans(machine: Machine) -> set[str]:
    """Return the keys of all objects of the history that no manifest names."""
    named = set()
    for manifest in machine.history.manifests():
        where = f"integration={manifest.integration.name}/snapshot={manifest.snapshot_id}"
        named |= {f"history/{table}/{where}/part-0.parquet" for table in manifest.sha256}
    keys = {key for key, _ in machine.store.objects("history")}
    manifests = {key for key in keys if key.startswith("history/_manifests/")}
    assert len(manifests) == len(machine.history.manifests()) + 1
    return keys - manifests - named


def test_commit_with_lost_response_counts_once(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], s3: S3Server
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one = machine("one")
    one.commit(on_day(0, pulled))
    lost: list[S3Request] = []

    def loses(request: S3Request) -> bool:
        if lost or request.method != "PUT" or not request.path.endswith("/index.json"):
            return False
        lost.append(request)
        return True

    s3.loses_answer = loses
    one.commit(on_day(1, pulled))
    assert lost
    assert len(ids_seen_by(one)) == 2


def test_file_lost_to_a_conflict_is_updated_again(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine]
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one, other = machine("one"), machine("other")
    one.commit(on_day(0, pulled))
    one.publish_object()
    published = ObjectStoreBackend(one.store, one.home)
    made = 0

    def make() -> None:
        nonlocal made
        made += 1
        if made == 1:
            update_duckdb_file(one.history, one.file)
            other.commit(on_day(1, pulled))
            other.publish_object()
        else:
            update_duckdb_file(one.history, one.file)

    published.renew(one.file, make)
    assert made == 2
    with duckdb.connect(one.file, read_only=True) as connection:
        assert connection.sql("SELECT count(*) FROM snapshots").fetchall() == [(2,)]


def test_combined_file_reads_only_new_snapshots(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], s3: S3Server
) -> None:
    organization = generate(sizes=SMALL)
    pulled = pull(organization)
    one, over_all = machine("one"), machine("over all")
    for name in ("acme", "bolt", "cord"):
        one.commit(on_day(0, pulled), name=name)
    over_all.publish_object()
    organization.add_user(username="new.person")
    one.publish(on_day(1, pull(organization)), name="bolt")
    # Like a machine without copies of the history.
    shutil.rmtree(over_all.home / "history")
    sent = len(s3.requests)
    over_all.publish_object()
    read = [request.path for request in s3.requests[sent:] if request.method == "GET"]
    parts = [path for path in read if path.endswith(".parquet")]
    assert parts
    assert all("/integration=bolt/" in path for path in parts)
    others = [path for path in read if "/integration=bolt/" not in path]
    assert len([path for path in others if path.endswith("/index.json")]) == 2
    assert len(others) <= 3
    assert tables_in(over_all.file) == tables_in(one.file)


def test_expired_snapshots_are_expired_on_every_machine(
    pull: Callable[..., Pulled],
    machine: Callable[[str], Machine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(object_store, "ORPHAN_AGE", object_store.ORPHAN_AGE * -1)
    pulled = pull(generate(sizes=SMALL))
    one, other = machine("one"), machine("other")
    manifests = [one.commit(on_day(day, pulled)) for day in range(4)]
    assert [manifest.has_tables for manifest in other.history.manifests()] == [True] * 4
    expire_snapshots(one.history, "acme", KeepSnapshots(all_for_days=1, then="none"))
    seen = other.history.manifests()
    assert [manifest.has_tables for manifest in seen] == [False, False, True, True]
    gone = manifests[0].snapshot_id
    left = {key.split("/")[1] for key, _ in one.store.objects("history") if gone in key}
    assert left == {"_manifests", *seen[0].sha256}


def test_recently_used_copies_are_kept(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], monkeypatch: pytest.MonkeyPatch
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one = machine("one")
    first = one.commit(on_day(0, pulled)).snapshot_id
    one.commit(on_day(1, pulled))
    # `diff` and `sql --at` get the paths first, and read the files later.
    read = one.history.part("users", "acme", first)
    coming = one.history.manifest_path("acme", first).with_name(f".{first}.json.coming")
    coming.touch()
    one.commit(on_day(2, pulled))
    assert read.exists()
    assert coming.exists()
    monkeypatch.setattr(object_store, "UNUSED_AGE", object_store.UNUSED_AGE * -1)
    latest = one.commit(on_day(3, pulled)).snapshot_id
    expire_snapshots(one.history, "acme", KeepSnapshots())
    assert {path.name for path in read.parents[1].iterdir()} == {f"snapshot={latest}"}
    assert not coming.exists()
