"""Locks that the kernel releases when their holder dies.

Not `filelock`: it waits by polling, and falls back to a lock file that outlives its holder on file
systems without `flock`.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import InventoryError


class HeldByAnotherError(InventoryError):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, purpose: str | None = None) -> Iterator[None]:
    """Hold the lock file.

    Args:
        path: the lock file.
        purpose: description of the work, for the message. Without it, wait for the lock.

    Raises:
        HeldByAnotherError: another process holds the lock, and a purpose is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | (fcntl.LOCK_NB if purpose else 0))
        except BlockingIOError:
            raise HeldByAnotherError(
                f"{purpose} is already in progress; try again when it has ended"
            ) from None
        yield


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Wait until no other process holds the folder, and hold it; a missing folder is not held."""
    if not folder.is_dir():
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return whether any process holds the lock file."""
    if not path.exists():
        return False
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
