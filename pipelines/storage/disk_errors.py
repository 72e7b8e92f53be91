"""Explain errors that a user can fix: our own, and those of a full or unwritable disk."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

from pipelines.errors import InventoryError

# A quota or a file size limit is reported as EFBIG.
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOT_WRITABLE = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
# SQLite reports "disk I/O error" where the disk is full under the index of its write-ahead log.
_FAILURES = (
    (
        "there is no space left; free some",
        _NO_ROOM,
        (*map(os.strerror, _NO_ROOM), "database or disk is full", "disk I/O error"),
    ),
    (
        "permission denied; change its permissions",
        _NOT_WRITABLE,
        (
            *map(os.strerror, _NOT_WRITABLE),
            "unable to open database file",
            "attempt to write a readonly database",
        ),
    ),
)
# They name the cause in the message only. By name: importing them takes longer than most commands.
_DATABASES = frozenset({"duckdb", "_duckdb", "sqlalchemy", "sqlite3"})


class StorageError(InventoryError):
    """The data directory cannot be written."""


def is_no_room(error: OSError) -> bool:
    """Return whether the error reports a full disk or quota."""
    return error.errno in _NO_ROOM


def explain(error: BaseException, root: Path) -> InventoryError | None:
    """Return the error that a user can act on; None for a defect of the program.

    Args:
        error: the exception.
        root: the data directory, for the message.
    """
    if isinstance(error, InventoryError):
        return error
    if not (isinstance(error, OSError) or _is_database_error(error)):
        return None
    causes = list(_causes(error))
    numbers = {cause.errno for cause in causes if isinstance(cause, OSError)}
    texts = [str(cause) for cause in causes if not isinstance(cause, OSError)]
    return _storage_error(numbers, "\n".join(texts), root)


def explain_output(text: str, root: Path) -> StorageError | None:
    """Return the disk error that a library's output reports, if any."""
    return _storage_error(set(), text, root)


def _storage_error(numbers: set[int | None], text: str, root: Path) -> StorageError | None:
    for cause, known_numbers, known_texts in _FAILURES:
        if numbers & known_numbers or any(known in text for known in known_texts):
            return StorageError(
                f"the data directory {root} cannot be written: {cause}, or name another one with "
                "--data-dir, and run again; what was published before stays"
            )
    return None


def _is_database_error(error: BaseException) -> bool:
    return any(kind.__module__.partition(".")[0] in _DATABASES for kind in type(error).__mro__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and its causes."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
