"""Output files of commands: replaced only when they are complete."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import InventoryError
from pipelines.storage.atomic import replace_atomically
from pipelines.temporary import temporary_folder


@contextmanager
def output_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path` that replaces it unless an error occurs.

    Raises:
        InventoryError: `path` is not a plain file in an existing directory, or cannot be written.
    """
    # Renaming over a device or a link would replace it.
    plain = path.is_file() or not path.exists()
    if path.is_symlink() or not plain or not path.parent.is_dir():
        raise InventoryError(f"{path}: name a plain file in a directory that exists")
    try:
        with replace_atomically(path) as tmp_path:
            yield tmp_path
    except OSError as error:
        raise InventoryError(f"{path}: cannot be written ({error.strerror})") from None


@contextmanager
def output_file_or_stdout(path: Path | None) -> Iterator[Path]:
    """Yield a temporary path that replaces `path` or, without one, is copied to standard output.

    Writing to `/dev/stdout` instead would truncate a file that a shell appends to with `>>`.

    Raises:
        InventoryError: see `output_file`, or the temporary folder has no room.
    """
    if path is not None:
        with output_file(path) as tmp_path:
            yield tmp_path
        return
    with temporary_folder() as folder:
        result = folder / "result"
        try:
            yield result
        except OSError as error:
            raise InventoryError(
                f"{folder}: the result cannot be written ({error.strerror}). "
                "Set TMPDIR to a folder with more room, or use --output"
            ) from None
        with result.open("rb") as source:
            shutil.copyfileobj(source, sys.stdout.buffer)
