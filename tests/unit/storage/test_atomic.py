"""Files are replaced atomically, and survive a power cut in the right order."""

import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets_defs.runs.instance import prepare_instance
from pipelines.simulator import Sizes, generate
from pipelines.storage.atomic import (
    flush_folders,
    replace_atomically,
    replace_durably,
    write_parquet,
    write_text,
)
from pipelines.workspace import Workspace
from tests.support.publisher import Publisher, Pulled

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)


class Disk:
    """The content of a folder after a power cut at the worst moment: only flushed data.

    The entries of a folder as they were when it was flushed last, the content of a file likewise.
    """

    def __init__(self, top: Path) -> None:
        self._top = top
        self._entries: dict[int, dict[str, int]] = {}
        self._contents: dict[int, str] = {}
        self._flush = os.fsync
        self.renamed: Callable[[Path, Path], None] = lambda *_: None

    def flush(self, descriptor: int) -> None:
        """Flush a file or a folder, and record its content."""
        self._flush(descriptor)
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            with os.scandir(descriptor) as entries:
                self._entries[status.st_ino] = {entry.name: entry.inode() for entry in entries}
        else:
            content = os.pread(descriptor, status.st_size, 0)
            self._contents[status.st_ino] = hashlib.sha256(content).hexdigest()

    def finds(self, path: Path) -> bool:
        """Return True if the path exists after the power cut."""
        return self._inode(path) is not None

    def content(self, path: Path) -> str | None:
        """Return the digest of the file after the power cut."""
        inode = self._inode(path)
        return self._contents.get(inode) if inode else None

    def has_flushed(self, path: Path) -> bool:
        """Return True if the content of the file was flushed as it is now."""
        return self._contents.get(path.stat().st_ino) == digest(path)

    def _inode(self, path: Path) -> int | None:
        inode: int | None = self._top.stat().st_ino
        for name in path.relative_to(self._top).parts:
            inode = self._entries.get(inode, {}).get(name) if inode else None
        return inode


_disks: list[Disk] = []


def _on_event(event: str, arguments: tuple[object, ...]) -> None:
    # An audit hook cannot be removed.
    for disk in _disks:
        if event == "os.rename":
            disk.renamed(Path(str(arguments[0])), Path(str(arguments[1])))


sys.addaudithook(_on_event)


@pytest.fixture
def disk(fast_tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    """Record what is flushed below the test's folder."""
    disk = Disk(fast_tmp_path)
    monkeypatch.setattr(os, "fsync", disk.flush)
    _disks.append(disk)
    yield disk
    _disks.remove(disk)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_text_replaces_a_file_durably(fast_tmp_path: Path, disk: Disk) -> None:
    path = fast_tmp_path / "folder" / "file.txt"
    for text in ("first é", "second"):
        write_text(text, path)
        assert path.read_text(encoding="utf-8") == text
        flush_folders([path], fast_tmp_path)
        assert disk.content(path) == digest(path)
    assert [*path.parent.iterdir()] == [path]


def test_table_replaces_a_file(fast_tmp_path: Path, disk: Disk) -> None:
    path = fast_tmp_path / "table.parquet"
    for values in ([1, 2], [3]):
        table = pa.table({"a": values})
        write_parquet(table, path)
        assert pq.read_table(path) == table
        flush_folders([path], fast_tmp_path)
        assert disk.content(path) == digest(path)
    assert [*path.parent.iterdir()] == [path]


def test_rename_follows_the_flush_of_the_content(fast_tmp_path: Path, disk: Disk) -> None:
    path, tmp_path = fast_tmp_path / "file", fast_tmp_path / "new"
    path.write_bytes(b"old")
    tmp_path.write_bytes(b"new")
    expected = digest(tmp_path)
    flushed = []
    disk.renamed = lambda source, _: flushed.append(disk.has_flushed(source))
    replace_durably(tmp_path, path)
    assert flushed == [True]
    assert disk.content(path) == expected


def test_failed_write_leaves_the_old_file(fast_tmp_path: Path) -> None:
    path = fast_tmp_path / "file"
    path.write_text("old")

    def write() -> None:
        with replace_atomically(path) as tmp_path:
            tmp_path.write_text("half")
            raise ValueError(tmp_path)

    with pytest.raises(ValueError, match="new"):
        write()
    assert path.read_text() == "old"
    assert [*fast_tmp_path.iterdir()] == [path]


def test_leftover_of_a_crash_is_overwritten(fast_tmp_path: Path) -> None:
    path = fast_tmp_path / "file"
    with replace_atomically(path) as tmp_path:
        tmp_path.write_text("done")
    tmp_path.write_text("a leftover that is longer")
    write_text("again", path)
    assert path.read_text() == "again"
    assert [*fast_tmp_path.iterdir()] == [path]


def test_folders_are_flushed_up_to_the_top(fast_tmp_path: Path, disk: Disk) -> None:
    top = fast_tmp_path / "top"
    paths = [top / "a" / "b" / "file", top / "c" / "file"]
    for path in paths:
        path.parent.mkdir(parents=True)
    flush_folders(paths, top)
    assert not disk.finds(top)
    flush_folders([top], fast_tmp_path)
    assert all(disk.finds(path.parent) for path in paths)


@pytest.mark.parametrize("is_first", [True, False], ids=["first run", "after a killed run"])
def test_manifest_is_renamed_after_its_files_are_flushed(
    pull: Callable[..., Pulled],
    publisher: Publisher,
    disk: Disk,
    *,
    is_first: bool,
) -> None:
    prepare_instance(Workspace(publisher.home))
    history = publisher.history
    committed = []

    def check(tmp_path: Path, path: Path) -> None:
        """Check that all files are flushed before the manifest is renamed."""
        if path.parent.parent.name != "_manifests":
            return
        manifest = json.loads(tmp_path.read_text())
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


def test_parents_of_the_data_directory_are_flushed(fast_tmp_path: Path, disk: Disk) -> None:
    home = fast_tmp_path / "new" / "data"
    prepare_instance(Workspace(home))
    assert disk.finds(home)
