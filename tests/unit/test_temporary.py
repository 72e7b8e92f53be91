"""Folders of killed processes are removed; those in use and of others stay."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pipelines.temporary import temporary_folder

HOLD = """
import sys
from pipelines.temporary import temporary_folder
with temporary_folder() as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def hold(tmp_path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )


def test_next_command_removes_the_folder_of_a_killed_one(tmp_path: Path) -> None:
    with hold(tmp_path) as process:
        assert process.stdout is not None
        held = Path(process.stdout.readline().strip())
        (held / "inventory.duckdb").touch()
        with temporary_folder() as own:
            assert own.parent == held.parent == tmp_path
            assert held.is_dir()
        process.kill()
        process.wait()
        with temporary_folder() as own:
            assert list(tmp_path.iterdir()) == [own]
    assert list(tmp_path.iterdir()) == []


def test_locked_folder_stays_though_its_process_is_unknown(tmp_path: Path) -> None:
    with temporary_folder() as held:
        unknown = held.rename(tmp_path / "jumpcloud-inventory-999999999-abcd")
        with temporary_folder():
            assert unknown.is_dir()
        unknown.rename(held)


def test_files_and_links_of_others_stay(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    link = tmp_path / "jumpcloud-inventory-999999999-link"
    link.symlink_to(target)
    others = [tmp_path / "jumpcloud-inventory-notes", tmp_path / "jumpcloud-inventory-1x-abc"]
    for path in others:
        path.mkdir()
    with temporary_folder():
        pass
    assert {target, link, *others} == set(tmp_path.iterdir())
