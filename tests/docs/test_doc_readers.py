"""docs/reference/readers.md: how other programs read the history."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.layout import SNAPSHOTS, write_history, write_published

PAGE = ROOT / "docs" / "reference" / "readers.md"
READERS = ROOT / ".readers"
# These are installed for all tests.
EXAMPLES = ["DuckDB", "pyarrow", "pandas"]
OTHER_EXAMPLES = ["polars", "dask", "DataFusion", "ibis"]
HAS_READERS = (READERS / ".installed").exists()


PUBLISHED = [
    "DuckDB `.df()`",
    "DuckDB `.pl()`",
    "DuckDB `.to_arrow_table()`",
    "`pandas.read_sql`",
    "`polars.read_database`",
]
# Ibis does not open a file with DuckDB 2.
WITH_OLDER_DUCKDB = ["ibis `.to_pyarrow()`", "ibis `.execute()`"]
OLDER_DUCKDB = ROOT / ".duckdb-clients" / "1.5.x"
needs_readers = pytest.mark.skipif(
    not HAS_READERS, reason="other readers are not there: `make test` installs those with a wheel"
)


def run(script: str, folder: Path, *arguments: object, path: tuple[Path, ...] = (READERS,)) -> str:
    """Return the output of a script with the readers that are no dependency."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "readers" / script, *map(str, arguments)],
        cwd=folder,
        # The zone of the machine is one of the surprises.
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path)), "TZ": "America/New_York"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_examples_read_every_row(tmp_path: Path) -> None:
    expected = write_history(tmp_path)
    readers = EXAMPLES + OTHER_EXAMPLES * HAS_READERS
    found = json.loads(run("run_examples.py", tmp_path, PAGE, *readers))
    assert found == dict.fromkeys(readers, expected)


def read_table(heading: str) -> list[str]:
    """Return the rows of the first table below a heading of the page."""
    _, _, section = PAGE.read_text().partition(f"\n## {heading}\n")
    table = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert table
    return table[0].splitlines()[2:]


@pytest.mark.slow
@needs_readers
def test_table_has_what_readers_find_without_options(tmp_path: Path) -> None:
    write_history(tmp_path / "same", SNAPSHOTS[1:])
    write_history(tmp_path / "mixed")
    lines = run("read_plainly.py", tmp_path, tmp_path / "same", tmp_path / "mixed")
    assert read_table("The history") == lines.splitlines()


@pytest.mark.slow
@needs_readers
def test_table_has_the_types_of_a_published_file(tmp_path: Path) -> None:
    file = tmp_path / "inventory.duckdb"
    write_published(file)
    lines = run("read_published.py", tmp_path, file, *PUBLISHED)
    if (OLDER_DUCKDB / ".installed").exists():
        path = (OLDER_DUCKDB, READERS)
        lines += run("read_published.py", tmp_path, file, *WITH_OLDER_DUCKDB, path=path)
    assert read_table("The published file")[: len(lines.splitlines())] == lines.splitlines()
