"""Locks that the kernel frees when their holder dies."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

from pipelines.errors import InventoryError

_held: dict[Path, TextIOWrapper] = {}


class HeldByAnotherError(InventoryError):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file; wait while another process does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def hold(path: Path, what: str) -> None:
    """Hold the lock file from here on, until `release` or the end of the process.

    Args:
        path: the lock file; held already by this process, it stays held.
        what: what is under way while it is held, for the message.

    Raises:
        HeldByAnotherError: another process holds it.
    """
    if path in _held:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise HeldByAnotherError(
            f"{what} is under way already; try again when it has ended"
        ) from None
    _held[path] = lock


def is_held(path: Path) -> bool:
    """Whether any process holds the lock file."""
    if not path.exists():
        return False
    with path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def release(path: Path) -> None:
    """Let the lock file go, if this process holds it."""
    lock = _held.pop(path, None)
    if lock:
        lock.close()
