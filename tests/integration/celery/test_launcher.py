"""Runs that count as lost: their process ended, or no worker has them."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from assets_defs.celery import launcher as launcher_module
from assets_defs.celery.launcher import LOST, WatchingCeleryRunLauncher
from tests.support.cluster.services import redis_server
from tests.support.needs import NEEDS_SERVICES

pytestmark = [
    NEEDS_SERVICES,
    # The deprecated call is in Celery.
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),
]


@pytest.fixture
def launcher(
    fast_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WatchingCeleryRunLauncher]:
    """Yield a launcher with a Redis without workers; each check inspects it again."""
    monkeypatch.setattr(launcher_module, "ANSWER_SECONDS", 0.1)
    monkeypatch.setattr(launcher_module, "INTERVAL_SECONDS", 0.0)
    with redis_server(fast_tmp_path) as address:
        yield WatchingCeleryRunLauncher("dagster", f"{address}/0", f"{address}/1")


def started_run(task_id: str) -> dg.DagsterRun:
    tags = {DAGSTER_CELERY_TASK_ID_TAG: task_id}
    return dg.DagsterRun("job", status=dg.DagsterRunStatus.STARTED, tags=tags)


@pytest.mark.parametrize("said", ["PENDING", "STARTED", "SUCCESS"])
def test_run_without_worker_is_lost_at_second_check(
    launcher: WatchingCeleryRunLauncher, said: str
) -> None:
    if said != "PENDING":  # the state of tasks that Redis does not know
        launcher.celery.backend.store_result("task", None, said)
    first, second = (launcher.check_run_worker_health(started_run("task")) for _ in range(2))
    assert first.status == WorkerStatus.RUNNING
    assert (second.status, second.msg) == (WorkerStatus.FAILED, LOST)


def test_late_worker_response_loses_no_run(
    launcher: WatchingCeleryRunLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([None, {"w1": [{"id": "task"}]}, {}, {"w1": [], "w2": [{"id": "task"}]}])
    inspector = type(launcher.celery.control.inspect())
    monkeypatch.setattr(inspector, "active", lambda _: next(answers))
    looks = [launcher.check_run_worker_health(started_run("task")).status for _ in range(4)]
    assert looks == [WorkerStatus.RUNNING] * 4


def test_runs_checked_together_cost_one_inspection(
    launcher: WatchingCeleryRunLauncher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher_module, "INTERVAL_SECONDS", 60.0)
    inspector = type(launcher.celery.control.inspect())
    answers: Iterator[dict[str, object]] = iter([{}])
    monkeypatch.setattr(inspector, "active", lambda _: next(answers))
    for task_id in ("one", "two", "one"):
        health = launcher.check_run_worker_health(started_run(task_id))
        assert health.status == WorkerStatus.RUNNING


def test_run_of_killed_process_is_lost_immediately(
    launcher: WatchingCeleryRunLauncher,
) -> None:
    launcher.celery.backend.store_result("task", RuntimeError("killed"), "FAILURE")
    assert launcher.check_run_worker_health(started_run("task")).status == WorkerStatus.FAILED


def test_command_line_run_is_never_lost(launcher: WatchingCeleryRunLauncher) -> None:
    run = dg.DagsterRun("job", status=dg.DagsterRunStatus.STARTED)
    looks = [launcher.check_run_worker_health(run).status for _ in range(2)]
    assert looks == [WorkerStatus.RUNNING] * 2
