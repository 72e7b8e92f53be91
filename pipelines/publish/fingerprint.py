"""Fingerprint file: proves that the published file is exactly what this version last wrote.

It is written after the published file and may be lost in a power cut. If it does not match, the
published file is rebuilt.
"""

import hashlib
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import duckdb

from pipelines.history.store import file_sha256

PROGRAM = "jumpcloud-inventory"


def fingerprint_path(path: Path) -> Path:
    """Return the path of a published file's fingerprint file."""
    return path.with_name(f".{path.name}.seal")


def compute_fingerprint(path: Path, build_inputs: Iterable[str]) -> str:
    """Return the SHA-256 of the file and of its build inputs.

    Args:
        path: the published file.
        build_inputs: facts that determine its form, next to the versions of program and DuckDB.
    """
    inputs = "\n".join([version(PROGRAM), duckdb.__version__, *build_inputs])
    return f"{file_sha256(path)} {hashlib.sha256(inputs.encode()).hexdigest()}\n"
