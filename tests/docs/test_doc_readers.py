"""docs/reference/readers.md: how other programs read the history."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.layout import SNAPSHOTS, write_history

PAGE = ROOT / "docs" / "reference" / "readers.md"
READERS = ROOT / ".readers"
# These are installed for all tests.
EXAMPLES = ["DuckDB", "pyarrow", "pandas"]
OTHER_EXAMPLES = ["polars", "dask", "DataFusion", "ibis"]
HAS_READERS = (READERS / ".installed").exists()


def run(script: str, folder: Path, *arguments: object) -> str:
    """Return the output of a script with the readers that are no dependency."""
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "readers" / script, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(READERS)},
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


@pytest.mark.slow
@pytest.mark.skipif(
    not HAS_READERS, reason="other readers are not there: `make test` installs those with a wheel"
)
def test_table_has_what_readers_find_without_options(tmp_path: Path) -> None:
    write_history(tmp_path / "same", SNAPSHOTS[1:])
    write_history(tmp_path / "mixed")
    lines = run("read_plainly.py", tmp_path, tmp_path / "same", tmp_path / "mixed")
    table = re.search(r"(?:^\|.*\n)+", PAGE.read_text(), re.MULTILINE)
    assert table
    assert table[0].splitlines()[2:] == lines.splitlines()
