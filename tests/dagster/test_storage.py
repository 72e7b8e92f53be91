"""The SQLite storage that keeps its connections."""

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import dagster as dg
import pytest
from dagster_shared.check import CheckError

from assets_defs.runs.instance import open_instance, prepare_instance
from assets_defs.runs.storage import MAX_ENGINES, Engines, KeptRunStorage
from pipelines.config.environment import DAGSTER_HOME_VARIABLE
from pipelines.workspace import Workspace

# Dagster's own storage, as a data directory of an earlier version has it.
FORMER_SETTINGS = "telemetry: {enabled: false}\n"
KILLED = """
import os, signal, sys
from pathlib import Path
import dagster as dg
from assets_defs.runs.instance import open_instance
from pipelines.workspace import Workspace

instance = open_instance(Workspace(Path(sys.argv[1])))
instance.report_runless_asset_event(dg.AssetMaterialization("killed"))
os.kill(os.getpid(), signal.SIGKILL)
"""
# A thread holds the lock at the fork, and the parent closes its connections before the child.
FORKED = """
import os, signal, sys, threading
from pathlib import Path
import dagster as dg
from assets_defs.runs.instance import open_instance
from pipelines.workspace import Workspace

def report(name):
    instance.report_runless_asset_event(dg.AssetMaterialization(name))

def hold():
    with instance.event_log_storage.index_connection():
        held.set()
        forked.wait()

instance = open_instance(Workspace(Path(sys.argv[1])))
report("parent")
held, forked = threading.Event(), threading.Event()
holder = threading.Thread(target=hold)
holder.start()
held.wait()
(from_child, to_parent), (from_parent, to_child) = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    signal.alarm(60)
    report("1")
    os.write(to_parent, b"1")
    os.read(from_parent, 1)
    report("2")
    os._exit(0)
forked.set()
holder.join()
os.close(to_parent)
os.read(from_child, 1)
instance.dispose()
os.write(to_child, b"1")
sys.exit(os.waitpid(child, 0)[1])
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "data")
    prepare_instance(workspace)
    return workspace


def _report(instance: dg.DagsterInstance, run_id: str) -> None:
    """Add a run, an event of it and an event of an asset."""
    run = instance.add_run(dg.DagsterRun("job", run_id=run_id))
    instance.report_engine_event(f"event of {run_id}", run)
    instance.report_runless_asset_event(dg.AssetMaterialization(dg.AssetKey(run_id)))


def _is_known(instance: dg.DagsterInstance, run_id: str) -> bool:
    has_event = [one.message for one in instance.all_logs(run_id)] == [f"event of {run_id}"]
    return has_event and instance.has_run(run_id) and instance.has_asset_key(dg.AssetKey(run_id))


def test_dagsters_own_storage_reads_the_same_files(workspace: Workspace) -> None:
    ours = workspace.dagster_settings.read_text()
    run_ids = [dg.DagsterRun("job").run_id for _ in range(3)]
    for settings, run_id in zip([FORMER_SETTINGS, ours, FORMER_SETTINGS], run_ids, strict=True):
        workspace.dagster_settings.write_text(settings)
        with open_instance(workspace) as instance:
            is_ours = isinstance(instance.run_storage, KeptRunStorage)
            assert is_ours == (settings == ours)
            _report(instance, run_id)
            written = run_ids[: run_ids.index(run_id) + 1]
            assert all(_is_known(instance, one) for one in written)


def test_moved_data_directory_keeps_its_runs(workspace: Workspace, tmp_path: Path) -> None:
    run_id = dg.DagsterRun("job").run_id
    with open_instance(workspace) as instance:
        _report(instance, run_id)
    shutil.move(workspace.root, tmp_path / "moved")
    with open_instance(Workspace(tmp_path / "moved")) as instance:
        assert _is_known(instance, run_id)
    assert not workspace.root.exists()


def test_dagsters_own_programs_open_the_exported_home(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DAGSTER_HOME_VARIABLE, str(workspace.dagster_home))
    with dg.DagsterInstance.get() as instance:
        assert isinstance(instance.run_storage, KeptRunStorage)
        # A run worker gets the settings as text.
        with dg.DagsterInstance.from_ref(instance.get_ref()) as worker:
            _report(worker, run_id := dg.DagsterRun("job").run_id)
        assert _is_known(instance, run_id)


def test_watch_sees_events_of_another_process(workspace: Workspace) -> None:
    run = dg.DagsterRun("job")
    seen = threading.Event()
    with open_instance(workspace) as watching, open_instance(workspace) as writing:
        writing.add_run(run)
        watching.watch_event_logs(run.run_id, None, lambda *_: seen.set())
        writing.report_engine_event("written", run)
        assert seen.wait(timeout=60)


def test_killed_process_loses_no_event(workspace: Workspace) -> None:
    killed = subprocess.run([sys.executable, "-c", KILLED, workspace.root], check=False)
    assert killed.returncode < 0
    with open_instance(workspace) as instance:
        assert instance.has_asset_key(dg.AssetKey("killed"))


def test_forked_process_loses_no_event(workspace: Workspace) -> None:
    forked = subprocess.run([sys.executable, "-c", FORKED, workspace.root], check=False)
    assert forked.returncode == 0
    with open_instance(workspace) as instance:
        assert {key.to_user_string() for key in instance.all_asset_keys()} == {"parent", "1", "2"}


def test_deleted_file_of_a_run_is_made_again(workspace: Workspace) -> None:
    run_id = dg.DagsterRun("job").run_id
    with open_instance(workspace) as reading, open_instance(workspace) as deleting:
        _report(deleting, run_id)
        assert _is_known(reading, run_id)
        for path in workspace.dagster_home.glob(f"history/runs/{run_id}.*"):
            path.unlink()
        for instance in (reading, deleting):
            assert not instance.all_logs(run_id)
        run = reading.get_run_by_id(run_id)
        reading.report_engine_event("late", run)
        assert [one.message for one in deleting.all_logs(run_id)] == ["late"]


def test_only_the_last_files_stay_open(tmp_path: Path) -> None:
    engines = Engines()
    made = [engines.get(f"sqlite:///{tmp_path}/{number}.db") for number in range(MAX_ENGINES + 2)]
    for engine in made:
        with engine.begin() as connection:
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 1
    assert engines.get(f"sqlite:///{tmp_path}/{MAX_ENGINES + 1}.db") is made[-1]
    assert engines.get(f"sqlite:///{tmp_path}/0.db") is not made[0]
    engines.dispose()


def test_interrupted_batch_leaves_no_event(workspace: Workspace) -> None:
    with open_instance(workspace) as instance:
        for name in ("one", "two"):
            instance.report_runless_asset_event(dg.AssetMaterialization(name))
        storage, batch = instance.event_log_storage, instance.all_logs("")
        with pytest.raises(CheckError):
            storage.store_event_batch([*batch, None])  # type: ignore[list-item]
        assert instance.all_logs("") == batch
        storage.store_event_batch(batch)
        assert instance.all_logs("") == [*batch, *batch]
