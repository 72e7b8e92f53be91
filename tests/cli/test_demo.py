"""The command `demo`, which pulls a simulated organization without a key."""

import re
import shutil
import stat
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb
import pytest

from tests.support import ROOT
from tests.support.cli import Installation
from tests.support.commands import Commands, user_environment


@dataclass(frozen=True)
class Demo:
    """A demo that ran once, and its output."""

    installation: Installation
    done: "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> Demo:
    """Run the demo once, for tests that do not change its data."""
    installation = Installation(tmp_path_factory.mktemp("demo"), user_environment(), commands)
    (installation.folder / "shared").mkdir()
    shared = str(installation.folder / "shared")
    return Demo(installation, installation.run("demo", DAGSTER_HOME=shared))


def inventory(installation: Installation) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(installation.data / "demo" / "inventory.duckdb", read_only=True)


def test_demo_needs_no_key(demo: Demo) -> None:
    assert demo.done.returncode == 0, demo.done.stderr
    for part in ("systems", "API calls", "seconds to pull", "inventory.duckdb"):
        assert part in demo.done.stdout
    assert demo.done.stdout.count("SELECT") == 3
    with inventory(demo.installation) as file:
        assert file.sql("SELECT integration FROM integrations").fetchall() == [("demo",)]
        counts = file.sql("SELECT finding, count FROM findings.summary").fetchall()
    output = " ".join(demo.done.stderr.split())
    for finding, count in counts:
        assert (f": demo {count} (findings.{finding})" in output) == bool(count), finding
    assert not demo.installation.file.exists()
    # Its runs are not for the instance of others, and the folder above it is private too.
    assert not any((demo.installation.folder / "shared").iterdir())
    assert stat.S_IMODE(demo.installation.data.stat().st_mode) == 0o700


def test_readme_query_has_the_readme_answer(demo: Demo) -> None:
    readme = (ROOT / "README.md").read_text()
    ((query, answer),) = re.findall(r"```sql\n(.+?)```\n\n```text\n(.+?)\n```", readme, re.DOTALL)
    done = demo.installation.run("sql", "--data-dir", "data/demo", query)
    assert done.stdout.strip() == answer, done.stderr


def test_second_demo_has_no_changes(demo: Demo, fast_tmp_path: Path) -> None:
    shutil.copytree(demo.installation.data, fast_tmp_path / "data")
    second = replace(demo.installation, folder=fast_tmp_path)
    assert second.run("demo").returncode == 0
    with inventory(second) as file:
        assert file.sql("SELECT count(*) FROM snapshots").fetchall() == [(2,)]
        assert file.sql("FROM changes").fetchall() == []
