"""What is published outlives a power cut: nothing counts before the disk has what it needs."""

import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assets_defs.runs.instance import prepare_instance
from pipelines.simulator import Sizes, generate
from pipelines.workspace import Workspace
from tests.support.publisher import Publisher, Pulled

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)


class Disk:
    """What of a folder outlives a power cut at the worst moment: what was flushed, and no more.

    The entries of a folder as they were when it was flushed last, the content of a file likewise.
    """

    def __init__(self, top: Path) -> None:
        self._top = top
        self._entries: dict[int, dict[str, int]] = {}
        self._contents: dict[int, str] = {}
        self._flush = os.fsync
        self.renamed: Callable[[Path, Path], None] = lambda *_: None

    def flush(self, descriptor: int) -> None:
        """Flush as the system does, and remember what the disk has now."""
        self._flush(descriptor)
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(descriptor) as entries:
                self._entries[status.st_ino] = {each.name: each.inode() for each in entries}
        else:
            content = os.pread(descriptor, status.st_size, 0)
            self._contents[status.st_ino] = hashlib.sha256(content).hexdigest()

    def finds(self, path: Path) -> bool:
        """Whether the path is there after the power cut."""
        return self._inode(path) is not None

    def content(self, path: Path) -> str | None:
        """The digest of the file that is there after the power cut."""
        inode = self._inode(path)
        return self._contents.get(inode) if inode else None

    def _inode(self, path: Path) -> int | None:
        inode: int | None = self._top.stat().st_ino
        for name in path.relative_to(self._top).parts:
            inode = self._entries.get(inode, {}).get(name) if inode else None
        return inode


_disks: list[Disk] = []


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    # A hook of the interpreter stays for ever.
    for disk in _disks:
        if event == "os.rename":
            disk.renamed(Path(str(arguments[0])), Path(str(arguments[1])))


sys.addaudithook(_on_event)


@pytest.fixture
def disk(fast_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """What is flushed below the test's folder."""
    disk = Disk(fast_tmp_path)
    monkeypatch.setattr(os, "fsync", disk.flush)
    _disks.append(disk)
    yield disk
    _disks.remove(disk)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("is_first", [True, False], ids=["first run", "after a killed run"])
def test_a_manifest_takes_its_place_when_the_disk_has_all_that_it_names(
    pull: Callable[..., Pulled],
    publisher: Publisher,
    disk: Disk,
    *,
    is_first: bool,
) -> None:
    prepare_instance(Workspace(publisher.home))
    history = publisher.history
    committed = []

    def check(aside: Path, path: Path) -> None:
        """It may outlive the power cut from here on."""
        if path.parent.parent.name != "_manifests":
            return
        manifest = json.loads(aside.read_text())
        committed.append(manifest["snapshot_id"])
        for table, sha256 in manifest["sha256"].items():
            part = history.part(table, "acme", manifest["snapshot_id"])
            assert disk.content(part) == sha256, part

    organization = generate(sizes=SMALL)
    if not is_first:
        for table in ("_manifests", "systems", "changes"):
            (history.root / table / "integration=acme").mkdir(parents=True)
    disk.renamed = check
    for number in (1, 2):
        organization.add_user(username=f"new.person.{number}")
        snapshot = publisher.publish(pull(organization))
        manifest = history.root / "_manifests/integration=acme" / f"{snapshot.snapshot_id}.json"
        assert disk.content(manifest) == digest(manifest)
        assert disk.content(publisher.file) == digest(publisher.file)
    assert committed == history.snapshot_ids("acme")
    assert len(committed) == 2


def test_the_folders_above_the_data_directory_are_there_too(
    fast_tmp_path: Path, disk: Disk
) -> None:
    home = fast_tmp_path / "new" / "data"
    prepare_instance(Workspace(home))
    assert disk.finds(home)
