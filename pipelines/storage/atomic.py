"""Files that appear whole or not at all."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def write_parquet(table: "pa.Table", path: Path) -> None:
    """Write the table beside `path` and rename it over it: readers see one or the other.

    A power cut may take back the renaming, until the folder is flushed.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 -- it takes longer than commands that only read

    with _temporary_sibling(path) as aside:
        pq.write_table(table, aside, compression="zstd")
        flush(aside)
        aside.replace(path)


def write_text(text: str, path: Path) -> None:
    """Write the text beside `path` and rename it over it."""
    with replace_atomically(path) as aside:
        aside.write_text(text, encoding="utf-8")


def replace_durably(aside: Path, path: Path) -> None:
    """Rename over `path`, so that even a power cut leaves the old or the new file."""
    flush(aside)
    aside.replace(path)
    flush(path.parent)


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """A path beside `path`; what is written there is renamed over it, unless something fails."""
    with _temporary_sibling(path) as aside:
        yield aside
        replace_durably(aside, path)


@contextmanager
def _temporary_sibling(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    # The same name each time, so that what a crash left is written over; callers hold a lock.
    aside = path.with_name(f".{path.name}.new")
    try:
        yield aside
    finally:
        aside.unlink(missing_ok=True)


def flush_folders(paths: Iterable[Path], top: Path) -> None:
    """Let a power cut leave the folders above these paths, up to `top`, in which each is."""
    above = {parent for path in paths for parent in path.parents if parent.is_relative_to(top)}
    # A folder before the one that it is in.
    for folder in sorted(above, reverse=True):
        flush(folder)


def flush(path: Path) -> None:
    """Wait until the disk has the file, or the entries of the folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
