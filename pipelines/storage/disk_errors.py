"""What a full or unwritable disk does, in words."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from pipelines.errors import InventoryError

# EFBIG is a quota's or a limit's way to say that there is no more room.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# SQLite says the second where the disk is full under its index of a write-ahead log.
_SQLITE_NO_ROOM = ("database or disk is full", "disk I/O error")
_SQLITE_NOT_WRITABLE = ("unable to open database file", "attempt to write a readonly database")


class StorageError(InventoryError):
    """The data directory does not take what should be written."""


def is_no_room(error: OSError) -> bool:
    """Whether a disk is full, or a quota used up."""
    return error.errno in _NO_ROOM


def storage_error(error: BaseException, place: Path) -> StorageError | None:
    """The error in words, if it or one that led to it is a full or unwritable disk; else None.

    DuckDB and SQLite tell the cause only in their message.

    Args:
        error: what was raised.
        place: the data directory.
    """
    causes = list(_causes(error))
    for codes, words, told in (
        (_NO_ROOM, _SQLITE_NO_ROOM, "there is no space left; free some"),
        (_NOT_WRITABLE, _SQLITE_NOT_WRITABLE, "this user may not; change its permissions"),
    ):
        if any(_tells(cause, codes, words) for cause in causes):
            return StorageError(
                f"the data directory {place} cannot be written: {told}, or name another one with "
                "--data-dir, and run again; what was published before stays"
            )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and those while it was handled."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _tells(error: BaseException, codes: frozenset[int], words: tuple[str, ...]) -> bool:
    if isinstance(error, OSError):
        return error.errno in codes
    return any(each in str(error) for each in (*map(os.strerror, codes), *words))
