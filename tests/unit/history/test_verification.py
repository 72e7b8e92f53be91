"""Every change of the history is found, except of the latest manifest, which its digest proves."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.history.store import SnapshotStore
from pipelines.history.verification import verify_history
from pipelines.simulator import Sizes, generate
from tests.support.machines import Machine
from tests.support.publisher import Publisher, Pulled, on_day

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)
DAYS = 4


@pytest.fixture
def history(pull: Callable[..., Pulled], publisher: Publisher) -> SnapshotStore:
    """Commit four snapshots; the first has lost its tables."""
    pulled = pull(generate(sizes=SMALL))
    for day in range(DAYS):
        publisher.commit(on_day(day, pulled))
    publisher.history.expire("acme", publisher.history.snapshot_ids("acme")[:1])
    publisher.history.remove_orphan_files("acme")
    return publisher.history


def edit_table(history: SnapshotStore, ids: list[str]) -> str:
    with history.part("users", "acme", ids[1]).open("ab") as file:
        file.write(b" ")
    return f"{ids[1]}: .*users.*: damaged"


def remove_table(history: SnapshotStore, ids: list[str]) -> str:
    history.part("snapshots", "acme", ids[0]).unlink()
    return f"{ids[0]}: .*snapshots.*: missing"


def add_file(history: SnapshotStore, ids: list[str]) -> str:
    part = history.part("users", "acme", ids[2])
    shutil.copy(part, part.with_name("part-1.parquet"))
    return "users/.*/part-1.parquet: not named by a manifest"


def add_file_without_snapshot(history: SnapshotStore, ids: list[str]) -> str:
    part = history.part("users", "acme", ids[2])
    shutil.copy(part, part.parent.parent)
    return "users/integration=acme/part-0.parquet: not named by a manifest"


def edit_manifest(history: SnapshotStore, ids: list[str]) -> str:
    path = history.manifest_path("acme", ids[1])
    path.write_text(path.read_text().replace('"run-1"', '"run-2"'))
    return f"{ids[1]}: its manifest was changed, .*{ids[2]} names"


def remove_manifest(history: SnapshotStore, ids: list[str]) -> str:
    history.manifest_path("acme", ids[1]).unlink()
    return f"{ids[0]}: its manifest was changed, or one after it was removed: .*{ids[2]} names"


def remove_first_manifest(history: SnapshotStore, ids: list[str]) -> str:
    history.manifest_path("acme", ids[0]).unlink()
    return f"{ids[1]}: the manifest before it, with SHA-256 [0-9a-f]+, is missing"


def cut_manifest(history: SnapshotStore, ids: list[str]) -> str:
    history.manifest_path("acme", ids[2]).write_text("{")
    return f"{ids[2]}: .*: not a manifest that this version can read"


DAMAGES = (
    edit_table,
    remove_table,
    add_file,
    add_file_without_snapshot,
    edit_manifest,
    remove_manifest,
    remove_first_manifest,
    cut_manifest,
)


def test_every_damage_is_one_line(history: SnapshotStore, fast_tmp_path: Path) -> None:
    ids = history.snapshot_ids("acme")
    for damage in DAMAGES:
        copy = fast_tmp_path / damage.__name__ / "history"
        shutil.copytree(history.root, copy)
        expected = damage(SnapshotStore(copy), ids)
        (line,) = verify_history(SnapshotStore(copy), "acme").problems
        assert re.search(expected, line), damage


def test_head_covers_all_snapshots_before_it(history: SnapshotStore) -> None:
    ids = history.snapshot_ids("acme")
    result = verify_history(history, "acme")
    assert (result.problems, result.unchained) == ([], 0)
    assert result.head == history.head("acme")
    earlier = history.manifest_sha256("acme", ids[2])
    assert (result.covered_snapshots(result.head), result.covered_snapshots(earlier)) == (
        ids,
        ids[:3],
    )
    # The latest manifest has no next one: only a digest that was kept elsewhere proves it.
    edited = history.manifest_path("acme", ids[-1])
    edited.write_text(edited.read_text().replace('"run-1"', '"run-2"'))
    forged = verify_history(history, "acme")
    assert forged.problems == []
    assert forged.covered_snapshots(result.head) == ()


def test_changed_objects_are_found(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine]
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one, auditor = machine("one"), machine("auditor")
    ids = [one.commit(on_day(day, pulled)).snapshot_id for day in range(3)]
    one.history.expire("acme", ids[:1])
    intact = verify_history(auditor.history, "acme")
    assert (intact.problems, intact.snapshot_ids) == ([], ids)
    assert not list((auditor.home / "history").rglob("*.parquet"))
    keys = [key for key, _ in one.store.objects("history") if ids[1] in key]
    for key in keys:
        if "/users/" in key or "/_manifests/" in key:
            content, _ = one.store.get(key) or (b"", None)
            one.store.put(key, b"{}")
            shutil.rmtree(auditor.home / "history")
            (line,) = verify_history(auditor.history, "acme").problems
            assert f"{key}: damaged" in line
            one.store.put(key, content)
    one.store.put("history/users/copy.parquet", b"")
    assert auditor.history.foreign_entries() == ["users/copy.parquet"]
