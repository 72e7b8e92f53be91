"""Temporary folders that do not outlive the next command after a killed process."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "jumpcloud-inventory-"
_NAME = re.compile(rf"{_PREFIX}(\d+)-\w+")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder in the system's temporary folder. It is removed at the end.

    Folders there that killed processes left are removed first.
    """
    _remove_abandoned(Path(tempfile.gettempdir()))
    with (
        tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as name,
        _locked(Path(name)),
    ):
        yield Path(name)


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(f"{_PREFIX}*"):
        named = _NAME.fullmatch(path.name)
        # A process of another container has a number of its own, but its lock is visible.
        if named and not _is_alive(int(named[1])):
            with suppress(OSError), _locked(path):  # another user's, or in use
                shutil.rmtree(path)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    # A link is not followed: anyone may create one in a shared folder.
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(lock)
