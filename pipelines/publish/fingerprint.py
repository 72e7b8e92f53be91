"""A note beside the published file by which the next publication knows it for its own work.

It is written after the file took its place and need not outlive a power cut: a seal that does not
fit only means that the file is built anew.
"""

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import duckdb

PROGRAM = "jumpcloud-inventory"


def fingerprint_path(path: Path) -> Path:
    """Where the seal of a file is."""
    return path.with_name(f".{path.name}.seal")


def compute_fingerprint(path: Path, made_by: Iterable[str]) -> str:
    """What its seal says: the SHA-256 of the file's bytes, and of what it was made by.

    Args:
        path: the file.
        made_by: what its form follows from, beside this version of the program and of DuckDB.
    """
    with path.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    maker = "\n".join([version(PROGRAM), duckdb.__version__, *made_by])
    return f"{content} {hashlib.sha256(maker.encode()).hexdigest()}\n"
