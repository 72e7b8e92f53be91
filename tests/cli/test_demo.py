"""The command `demo`, which pulls a simulated organization without a key."""

import re
import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from assets_defs.cli.demo import KEY_VARIABLE, PAST_WEEKS, demo_workspace, simulated_organization
from assets_defs.cli.past_snapshots import commit_past
from pipelines.history.store import SnapshotStore
from pipelines.schema.tables import CHANGES, INVENTORY_TABLES
from pipelines.simulator import Company, Sizes
from pipelines.workspace import Workspace
from tests.oracle import expected_tables
from tests.support import ROOT
from tests.support.cli import Installation
from tests.support.publisher import as_truth, tables_in

NAME = "demo"
README_ANSWER = re.compile(r"```sql\n(.+?)```\n\n```text\n(.+?)```", re.DOTALL)


def assert_readme_is_true(file: Path) -> None:
    """Check the answer of README.md, which is one of the demo."""
    found = README_ANSWER.search((ROOT / "README.md").read_text())
    assert found
    sql, answer = found.groups()
    with duckdb.connect(file, read_only=True) as connection:
        rows = connection.sql(sql).fetchall()
    printed = [re.findall(r"[^│\s]+", line) for line in answer.splitlines() if "│" in line]
    assert printed[2:] == [[str(value) for value in row] for row in rows]


def assert_weeks_match_oracle(folder: Path) -> None:
    """Check every snapshot against the organization as it was in that week."""
    history = SnapshotStore(folder / "history")
    founded = datetime.fromisoformat((folder / "simulated_since.txt").read_text())
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


def assert_run_equals_past(folder: Path, copy: Path) -> None:
    """Check that a past snapshot of the last week has the same rows as the one of its run."""
    last = SnapshotStore(folder / "history").latest(NAME)
    assert last
    shutil.copytree(folder / "history", copy / NAME / "history")
    shutil.copy(folder / "simulated_since.txt", copy / NAME)
    workspace = demo_workspace(Workspace(copy))
    history = workspace.open_history()
    history.manifest_path(NAME, last.snapshot_id).unlink()
    with simulated_organization(workspace):
        commit_past(workspace, NAME, last.pull.started_at)
    repeated = history.manifest(NAME, last.snapshot_id)
    assert repeated.rows == last.rows
    for table in (*INVENTORY_TABLES, CHANGES):
        own, other = (
            store.read(table, NAME, last.snapshot_id).to_pylist()
            for store in (SnapshotStore(folder / "history"), history)
        )
        assert own == other, table.name


def assert_findings_have_dates(file: Path, output: str) -> None:
    """Check that every finding is known, printed if it has rows, and began at several times."""
    with duckdb.connect(file, read_only=True) as connection:
        assert connection.sql("SELECT integration FROM integrations").fetchall() == [(NAME,)]
        counts = dict(connection.sql("SELECT finding, count FROM findings.summary").fetchall())
        view = "findings.suspended_users_with_access"
        starts = connection.sql(f"SELECT count(DISTINCT since) FROM {view}").fetchall()
    assert None not in counts.values()
    for finding, count in counts.items():
        assert (f": {count} (findings.{finding})" in output) == bool(count), finding
    for finding in ("systems_appeared", "systems_vanished", "access_gained"):
        assert counts[finding], finding
    assert starts > [(5,)]


def test_demo_needs_no_key_and_has_a_past(
    installation: Installation, fast_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = installation.run("demo")
    assert done.returncode == 0, done.stderr
    for words in ("systems", "API calls", "seconds to pull", "inventory.duckdb"):
        assert words in done.stdout
    assert done.stdout.count("SELECT") == 3
    assert not installation.file.exists()
    folder = installation.data / NAME
    file, settings = folder / "inventory.duckdb", str(folder / "integrations.toml")
    assert_findings_have_dates(file, " ".join(done.stderr.split()))
    assert_readme_is_true(file)
    assert_weeks_match_oracle(folder)
    monkeypatch.setenv(KEY_VARIABLE, "")
    assert_run_equals_past(folder, fast_tmp_path / "copy")

    published = tables_in(file)
    assert installation.run("rebuild", "--data-dir", str(folder)).returncode == 0
    assert tables_in(file) == published
    difference = installation.run("diff", "--data-dir", str(folder), "--config", settings)
    for change in ("    + ", "    - ", "disk_encrypted: true -> false", '-> "SUSPENDED"'):
        assert change in difference.stdout, difference.stdout

    assert installation.run("demo").returncode == 0
    history = SnapshotStore(folder / "history")
    assert len(history.manifests(NAME)) == PAST_WEEKS + 2
    last = history.latest(NAME)
    assert last
    assert last.rows["changes"] == 0
