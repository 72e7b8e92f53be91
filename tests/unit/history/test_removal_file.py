"""Removals that stopped a run are accepted once, in a directory and in an object store."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.errors import InventoryError
from pipelines.history.removal_file import RemovalFile
from pipelines.history.removal_guard import Removals, StoppedRemovals
from pipelines.workspace import Workspace
from tests.support.machines import URL, Machine

STOPPED = StoppedRemovals(
    snapshot_id="one",
    by_type={"users": Removals(before=60, after=20, missing=30, emptied=10, names=("ann",))},
)


def accept_in_turn(run: RemovalFile, person: RemovalFile) -> None:
    """Check each state of a file that a run and a person use."""
    with pytest.raises(InventoryError, match="nothing to accept: no mass removal stopped the last"):
        person.accept()
    run.stop(STOPPED)
    assert run.read("accepted") is None
    assert person.accept() == person.accept() == run.read("accepted") == STOPPED
    run.stop(STOPPED)
    assert run.read("accepted") is None
    person.accept()
    run.remove()
    assert person.read("stopped") is person.read("accepted") is None


def rename_twice(old: RemovalFile, new: RemovalFile) -> None:
    """Check that a new name takes over what was accepted, also after a crash before the end."""
    old.stop(STOPPED)
    old.accept()
    for _ in range(2):
        old.rename("renamed")
    assert old.read("accepted") is None
    assert new.read("accepted") == STOPPED
    new.remove()


def test_removals_are_accepted_only_after_a_stop(tmp_path: Path) -> None:
    file, renamed = map(Workspace(tmp_path).removal_file, ("acme", "renamed"))
    accept_in_turn(file, file)
    rename_twice(file, renamed)
    assert list((tmp_path / "removals").iterdir()) == []


def test_removals_of_another_machine_are_accepted(
    machine: Callable[[str], Machine], tmp_path: Path
) -> None:
    one, other = (Workspace(tmp_path / name, URL).removal_file("acme") for name in ("one", "other"))
    accept_in_turn(one, other)
    rename_twice(one, Workspace(tmp_path / "other", URL).removal_file("renamed"))
    assert machine("one").store.objects("removals") == []


def test_damaged_file_accepts_nothing(tmp_path: Path) -> None:
    (tmp_path / "acme.accepted.json").write_text('{"snapshot_id": "one"')
    assert RemovalFile(tmp_path, "acme").read("accepted") is None
