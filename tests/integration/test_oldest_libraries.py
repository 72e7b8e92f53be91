"""The program works with the oldest release of each library that pyproject.toml allows."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from pipelines.simulator import Sizes
from tests.support import ROOT

OLDEST = ROOT / ".oldest-libraries"
BOUNDS = {
    requirement.name: min(Version(specifier.version) for specifier in requirement.specifier)
    for requirement in map(
        Requirement, tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    )
}
VERSIONS = """
import importlib.metadata, json, sys
print(json.dumps({name: importlib.metadata.version(name) for name in sys.argv[1:]}))
"""


def run(folder: Path, *arguments: str) -> str:
    """Return the output of Python with the oldest libraries."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(OLDEST), "JUMPCLOUD_INVENTORY_HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(
    not (OLDEST / ".installed").exists(),
    reason="the oldest libraries are not there: `make test` installs them if they have a wheel",
)
def test_demo_runs_with_the_oldest_libraries(tmp_path: Path) -> None:
    versions = json.loads(run(tmp_path, "-c", VERSIONS, *BOUNDS))
    assert {name: Version(version) for name, version in versions.items()} == BOUNDS
    program = "from assets_defs.cli.main import main; main()"
    run(tmp_path, "-c", program, "demo")
    query = "SELECT count(*) AS number FROM users"
    arguments = ("-c", program, "sql", "--format", "json", "--data-dir", "demo", query)
    (row,) = json.loads(run(tmp_path, *arguments))
    assert row["number"] >= Sizes().users
