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
# The forms of a table for downstream assets and notebooks, as types of pandas.
FRAMES = """
import json
from pathlib import Path
from pipelines import open_inventory
from pipelines.publish.frames import PublishedFrames
from pipelines.workspace import Workspace

workspace = Workspace(Path("demo").absolute())
systems = PublishedFrames(workspace).table("systems", columns=["created_at", "group_ids"])
with open_inventory(workspace.inventory_file()) as inventory:
    table = inventory.table("systems").select("created_at", "group_ids").df()
frames = [systems.pandas(), systems.duckdb().df(), table]
print(json.dumps([[str(one) for one in frame.dtypes] for frame in frames]))
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
    arrow, *plain = json.loads(run(tmp_path, "-c", FRAMES))
    assert arrow == ["timestamp[us, tz=UTC][pyarrow]", "list<item: string>[pyarrow]"]
    assert plain == [["datetime64[us, UTC]", "object"]] * 2
