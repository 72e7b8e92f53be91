"""A history gets another name: whole at every moment, and with the same manifests."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.errors import InventoryError
from pipelines.history.store import SnapshotStore
from pipelines.history.verification import verify_history
from pipelines.simulator import Sizes, generate
from tests.support.machines import Machine
from tests.support.publisher import Publisher, Pulled, on_day
from tests.support.s3 import S3Server

SMALL = Sizes(systems=3, users=3, system_groups=1, user_groups=1, applications=1)
OPERATIONS = ((os, "link"), (os, "mkdir"), (os, "rmdir"), (os, "unlink"), (Path, "replace"))


class KilledError(BaseException):
    """The process ends here."""


def kill_at(count: int, patch: pytest.MonkeyPatch) -> None:
    """Let the process end before its file operation of that number."""
    left = count

    def counted(operation: Callable[..., object]) -> Callable[..., object]:
        def run(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                raise KilledError
            return operation(*arguments, **options)

        return run

    for owner, name in OPERATIONS:
        patch.setattr(owner, name, counted(getattr(owner, name)))


@pytest.fixture
def history(pull: Callable[..., Pulled], publisher: Publisher) -> SnapshotStore:
    """Publish two snapshots of `old`; the first has lost its tables."""
    pulled = pull(generate(sizes=SMALL))
    for day in range(2):
        publisher.publish(on_day(day, pulled), "old")
    publisher.history.expire("old", publisher.history.snapshot_ids("old")[:1])
    publisher.history.remove_orphan_files("old")
    return publisher.history


def test_killed_rename_leaves_a_whole_history(
    history: SnapshotStore, fast_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, head = history.snapshot_ids("old"), history.head("old")
    count, names, is_killed = 0, [], True
    while is_killed:
        root = fast_tmp_path / f"{count}" / "history"
        shutil.copytree(history.root, root)
        with monkeypatch.context() as patch:
            kill_at(count, patch)
            try:
                SnapshotStore(root).rename("old", "new")
                is_killed = False
            except KilledError:
                pass
        ((name, found),) = SnapshotStore(root).snapshots().items()
        assert found == ids
        names.append(name)
        left = verify_history(SnapshotStore(root), name)
        assert (left.problems, left.head) == ([], head)
        SnapshotStore(root).rename("old", "new")
        assert SnapshotStore(root).snapshots() == {"new": ids}
        assert SnapshotStore(root).integrations() == ["new"]
        assert SnapshotStore(root).former_names("new") == {"old"}
        shutil.rmtree(root)
        count += 1
    assert names == sorted(names, reverse=True)
    assert {*names} == {"old", "new"}


def test_rename_copies_without_links_and_joins_no_histories(
    history: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "link", refuse)
    for folder in list(history.root.glob("*/integration=old")):
        shutil.copytree(folder, folder.with_name("integration=other"))
    history.rename("old", "new")
    assert verify_history(history, "new").problems == []
    with pytest.raises(InventoryError, match="'new' has snapshots of its own"):
        history.rename("other", "new")
    assert {*history.snapshots()} == {"new", "other"}


def is_past(s3: S3Server, count: int) -> Callable[[object], bool]:
    """Return a function that is True once the server has received more requests."""
    return lambda _: len(s3.requests) > count


def test_interrupted_rename_of_objects_can_be_repeated(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], s3: S3Server
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one, other = machine("one"), machine("other")
    ids = [one.publish(on_day(day, pulled), "old").snapshot_id for day in range(2)]
    head = one.history.head("old")
    points, is_lost = 0, True
    while is_lost:
        s3.is_refused = is_past(s3, len(s3.requests) + 30 * points)
        try:
            one.history.rename("old", "new")
            is_lost = False
        except InventoryError:
            points += 1
        s3.is_refused = lambda _: False
        found = other.history.snapshots()
        assert found
        assert all(own == ids for own in found.values())
    assert points > 2
    assert other.history.snapshots() == {"new": ids}
    result = verify_history(other.history, "new")
    assert (result.problems, result.head) == ([], head)
    assert [key for key, _ in one.store.objects("history") if "=old/" in key] == []
