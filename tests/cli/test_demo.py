"""The command `demo`, which pulls a simulated organization without a key."""

import json
import os
import re
import shutil
import stat
import subprocess
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from filelock import FileLock

from assets_defs.cli.demo_organization import KEY_VARIABLE, NAME, PAST_WEEKS, simulated_organization
from assets_defs.cli.past_snapshots import commit_past
from pipelines.schema.tables import CHANGES, INVENTORY_TABLES
from pipelines.simulator import Company, Sizes
from pipelines.workspace import Workspace
from tests.oracle import expected_tables
from tests.support import ROOT
from tests.support.cli import Installation
from tests.support.commands import Commands, user_environment
from tests.support.publisher import as_truth, tables_in


@dataclass(frozen=True)
class Demo:
    """A demo that ran once, and its output."""

    installation: Installation
    done: "subprocess.CompletedProcess[str]"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> Demo:
    """Run the demo once for all test processes; the tests do not change its data."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "demo"
    installation = Installation(folder, user_environment(), commands)
    output = folder.with_suffix(".json")
    with FileLock(folder.with_suffix(".lock")):
        if not output.exists():
            (folder / "shared").mkdir(parents=True)
            done = installation.run("demo", DAGSTER_HOME=str(folder / "shared"))
            output.write_text(json.dumps([done.returncode, done.stdout, done.stderr]))
    return Demo(installation, subprocess.CompletedProcess("demo", *json.loads(output.read_text())))


def workspace_of_demo(installation: Installation) -> Workspace:
    return Workspace(installation.data).demo()


def inventory(installation: Installation) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(workspace_of_demo(installation).inventory_file(), read_only=True)


def test_demo_needs_no_key(demo: Demo) -> None:
    assert demo.done.returncode == 0, demo.done.stderr
    for part in ("systems", "API calls", "seconds to pull", "inventory.duckdb"):
        assert part in demo.done.stdout
    assert demo.done.stdout.count("SELECT") == 3
    assert demo.done.stderr.count("demo: publishing the organization as of ") == PAST_WEEKS
    with inventory(demo.installation) as file:
        assert file.sql("SELECT integration FROM integrations").fetchall() == [("demo",)]
        counts = file.sql("SELECT finding, count FROM findings.summary").fetchall()
    output = " ".join(demo.done.stderr.split())
    for finding, count in counts:
        assert (f": demo {count} (findings.{finding})" in output) == bool(count), finding
    assert not demo.installation.file.exists()
    # Its runs are not for the instance of others. The folder above it is private, too, and Git
    # ignores it.
    assert not any((demo.installation.folder / "shared").iterdir())
    assert stat.S_IMODE(demo.installation.data.stat().st_mode) == 0o700
    assert (demo.installation.data / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize("page", ["README.md", "docs/explanation/access.md"])
def test_query_of_a_page_has_its_answer(page: str, demo: Demo) -> None:
    text = (ROOT / page).read_text()
    ((query, answer),) = re.findall(r"```sql\n(.+?)```\n\n```text\n(.+?)\n```", text, re.DOTALL)
    done = demo.installation.run("sql", "--data-dir", "data/demo", query)
    assert done.stdout.strip() == answer, done.stderr


def test_each_past_week_matches_the_oracle(demo: Demo) -> None:
    workspace = workspace_of_demo(demo.installation)
    history = workspace.open_history()
    founded = datetime.fromisoformat(workspace.demo_start_file.read_text())
    company = Company(founded, Sizes())
    manifests = history.manifests(NAME)
    assert len(manifests) == PAST_WEEKS + 1
    for manifest in manifests:
        assert 0 <= (manifest.pull.started_at - company.now).total_seconds() < 600
        assert (manifest.pull.started_at == company.now) == (manifest is not manifests[-1])
        expected = expected_tables(company.organization, views=False)
        for table in INVENTORY_TABLES:
            rows = history.read(table, NAME, manifest.snapshot_id).to_pylist()
            assert as_truth(rows) == expected[table.name], (manifest.snapshot_id, table.name)
        company.advance()


def test_past_snapshot_equals_the_one_of_a_run(
    demo: Demo, fast_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "")
    own, workspace = workspace_of_demo(demo.installation), Workspace(fast_tmp_path).demo()
    shutil.copytree(own.history_folder, workspace.history_folder)
    shutil.copy(own.demo_start_file, workspace.demo_start_file)
    history, repeated = own.open_history(), workspace.open_history()
    last = history.latest(NAME)
    assert last
    repeated.manifest_path(NAME, last.snapshot_id).unlink()
    with simulated_organization(workspace):
        commit_past(workspace, NAME, [last.pull.started_at])
    assert repeated.manifest(NAME, last.snapshot_id).rows == last.rows
    for table in (*INVENTORY_TABLES, CHANGES):
        rows, rows_of_past = (
            store.read(table, NAME, last.snapshot_id).to_pylist() for store in (history, repeated)
        )
        assert rows == rows_of_past, table.name


def test_demo_has_changes_and_times_to_show(demo: Demo) -> None:
    with inventory(demo.installation) as file:
        counts = dict(file.sql("SELECT finding, count FROM findings.summary").fetchall())
        view = "findings.suspended_users_with_access"
        (starts,) = file.sql(f"SELECT count(DISTINCT since) FROM {view}").fetchall()
    assert None not in counts.values()
    for finding in ("systems_appeared", "systems_vanished", "access_gained"):
        assert counts[finding], finding
    assert starts >= (5,)


def test_tutorial_shows_what_the_demo_prints(demo: Demo) -> None:
    tutorial = (ROOT / "docs" / "tutorial" / "first-inventory.md").read_text()
    shown = "".join(re.findall(r"```text\n(.+?)```", tutorial, re.DOTALL)).splitlines()
    folder, run = "data/demo", demo.installation.run
    query = "SELECT integration, finding, severity, count FROM findings.summary"
    assert query in tutorial
    findings = run("sql", "--data-dir", folder, query)
    changes = run("diff", "--data-dir", folder, "--config", f"{folder}/integrations.toml")
    printed = f"{demo.done.stdout}{findings.stdout}{changes.stdout}".splitlines()
    # These prove as well that the changes are worth a look.
    assert "disk_encrypted: true -> false" in tutorial
    assert '-> "SUSPENDED"' in tutorial
    assert {*shown} - {"..."} <= {*(line.rstrip() for line in printed)}


def test_rebuild_of_demo_changes_nothing(demo: Demo, fast_tmp_path: Path) -> None:
    shutil.copytree(demo.installation.data, fast_tmp_path / "data")
    copy = replace(demo.installation, folder=fast_tmp_path)
    workspace = workspace_of_demo(copy)
    settings = ("--config", str(workspace.local_settings))
    assert copy.run("rebuild", "--data-dir", str(workspace.root), *settings).returncode == 0
    published = workspace_of_demo(demo.installation).inventory_file()
    assert tables_in(workspace.inventory_file()) == tables_in(published)


def test_second_demo_has_no_changes(demo: Demo, fast_tmp_path: Path) -> None:
    shutil.copytree(demo.installation.data, fast_tmp_path / "data")
    second = replace(demo.installation, folder=fast_tmp_path)
    assert second.run("demo").returncode == 0
    history = workspace_of_demo(second).open_history()
    assert len(history.manifests(NAME)) == PAST_WEEKS + 2
    last = history.latest(NAME)
    assert last
    assert last.rows["changes"] == 0
