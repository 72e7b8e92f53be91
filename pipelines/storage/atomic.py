"""Write files atomically and durably."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def write_parquet(table: "pa.Table", path: Path) -> None:
    """Write a table to a temporary file next to `path` and rename it to `path`.

    A reader sees the old or the new file. A power cut may undo the rename until the folder is
    flushed.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 -- it takes longer than commands that only read

    with _temporary_sibling(path) as tmp_path:
        pq.write_table(table, tmp_path, compression="zstd")
        flush(tmp_path)
        tmp_path.replace(path)


def write_text(text: str, path: Path) -> None:
    """Write a text to a temporary file next to `path` and rename it to `path`."""
    with replace_atomically(path) as tmp_path:
        tmp_path.write_text(text, encoding="utf-8")


def replace_durably(tmp_path: Path, path: Path) -> None:
    """Rename `tmp_path` to `path`. After a power cut, the old or the new file is there."""
    flush(tmp_path)
    tmp_path.replace(path)
    flush(path.parent)


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`. Unless an error occurs, rename its file to `path`."""
    with _temporary_sibling(path) as tmp_path:
        yield tmp_path
        replace_durably(tmp_path, path)


@contextmanager
def _temporary_sibling(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Always the same name, so that leftovers of a crash are overwritten; callers hold a lock.
    tmp_path = path.with_name(f".{path.name}.new")
    try:
        yield tmp_path
    finally:
        tmp_path.unlink(missing_ok=True)


def flush_folders(paths: Iterable[Path], top: Path) -> None:
    """Flush all folders that contain these paths, up to `top`."""
    folders = {parent for path in paths for parent in path.parents if parent.is_relative_to(top)}
    # In reverse order: a folder is flushed before its parent.
    for folder in sorted(folders, reverse=True):
        flush(folder)


def flush(path: Path) -> None:
    """Wait until the disk has the content of the file, or the entries of the folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
