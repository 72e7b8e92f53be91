"""The `dagster.yaml` of a cluster, compared with that of a single machine."""

import subprocess
import sys
from pathlib import Path

import pytest
from dagster._core.instance.ref import InstanceRef
from dagster._core.scheduler import DagsterDaemonScheduler
from dagster_shared.yaml_utils import load_yaml_from_path

from assets_defs.celery.launcher import WatchingCeleryRunLauncher
from tests.support import ROOT
from tests.support.cluster.roles import DAGSTER_YAML

SINGLE = load_yaml_from_path(str(ROOT / "assets_defs" / "dagster.yaml"))
# Settings that only a cluster has, and those with other values because of Redis and workers.
ADDED = {"storage", "run_launcher", "run_coordinator", "scheduler"}
OTHER = {
    ("concurrency", "runs", "max_concurrent_runs"),
    ("run_monitoring", "start_timeout_seconds"),
    ("run_monitoring", "poll_interval_seconds"),
}
Settings = dict[tuple[str, ...], object]


def flat(settings: object, path: tuple[str, ...] = ()) -> Settings:
    if not isinstance(settings, dict):
        return {path: settings}
    found: Settings = {}
    for name, value in settings.items():
        found |= flat(value, (*path, str(name)))
    return found


def test_cluster_file_differs_only_in_known_settings() -> None:
    several = load_yaml_from_path(str(DAGSTER_YAML))
    assert isinstance(several, dict)
    assert isinstance(SINGLE, dict)
    assert several.keys() == SINGLE.keys() | ADDED
    one, many = (
        flat({name: value for name, value in settings.items() if name not in ADDED})
        for settings in (SINGLE, several)
    )
    assert {path for path in one | many if one.get(path) != many.get(path)} == OTHER


def test_dagster_loads_cluster_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dagster.yaml").write_text(DAGSTER_YAML.read_text())
    monkeypatch.setenv("DAGSTER_CELERY_BROKER", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("DAGSTER_CELERY_BACKEND", "redis://127.0.0.1:1/1")
    found = InstanceRef.from_dir(str(tmp_path))
    assert isinstance(found.run_launcher, WatchingCeleryRunLauncher)
    assert isinstance(found.scheduler, DagsterDaemonScheduler)
    assert found.scheduler.max_tick_retries == 3


def test_worker_without_cluster_file_fails_with_remedy(tmp_path: Path) -> None:
    celery = Path(sys.executable).with_name("celery")
    done = subprocess.run(
        [celery, "-A", "assets_defs.celery.worker", "worker"],
        env={"JUMPCLOUD_INVENTORY_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: {tmp_path}/dagster/dagster.yaml does not name Watching")
    assert line.endswith("put the file there that docs/how-to/cluster.md describes")
