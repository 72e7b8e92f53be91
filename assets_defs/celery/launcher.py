"""Start each run as a Celery task, and detect the loss of its worker."""

import time
from functools import cached_property

from celery import Celery
from dagster import DagsterRun
from dagster._core.execution.plan.resume_retry import ReexecutionStrategy
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.storage.tags import RETRY_STRATEGY_TAG
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from assets_defs.celery.postgres import expect_restarts, keep_connected

ANSWER_SECONDS = 3.0  # each inspection takes that long
# Dagster checks all runs in a row, so one inspection serves all of them.
INTERVAL_SECONDS = 5.0
LOST = "No live worker has this run: its worker was killed, or cannot be reached."


class WorkerInspector:
    """The tasks that live workers report.

    Args:
        celery: the application of the workers.
    """

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._inspected_at = float("-inf")
        self._tasks: frozenset[str] = frozenset()
        self._missed: dict[str, float] = {}

    def is_lost(self, task_id: str) -> bool:
        """Return True if two inspections in a row did not find the task.

        A single one may miss a task because its worker answers slowly.
        """
        if time.monotonic() - self._inspected_at > INTERVAL_SECONDS:
            self._inspect()
        if task_id in self._tasks:
            self._missed.pop(task_id, None)
            return False
        return self._missed.setdefault(task_id, self._inspected_at) < self._inspected_at

    def _inspect(self) -> None:
        answers = self._celery.control.inspect(timeout=ANSWER_SECONDS).active() or {}
        self._tasks = frozenset(task["id"] for tasks in answers.values() for task in tasks)
        self._inspected_at = time.monotonic()


class WatchingCeleryRunLauncher(CeleryRunLauncher):
    """Dagster's Celery launcher, extended to detect runs that lost their worker.

    Dagster's own launcher considers a run alive until its worker reports the end of the task, which
    a killed worker never does.
    """

    # One per daemon: no other process launches queued runs.
    _is_prepared = False

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run as a task.

        A retry begins with the pull, because the tables between the steps are on the disk of the
        first worker.
        """
        if not self._is_prepared:
            expect_restarts()
            keep_connected(self._instance)
            self._is_prepared = True
        all_steps = {RETRY_STRATEGY_TAG: ReexecutionStrategy.ALL_STEPS.value}
        self._instance.add_run_tags(context.dagster_run.run_id, all_steps)
        super().launch_run(context)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Check that a live worker has the run.

        Celery's record of the task is not enough: it stays at "started" after the worker was
        killed, and it is gone if Redis lost its data.
        """
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task_id is None:
            # A run of the command line has no worker.
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if self.celery.AsyncResult(task_id).state == "FAILURE":
            return CheckRunHealthResult(WorkerStatus.FAILED, "The run's process was killed.")
        if self._workers.is_lost(task_id):
            return CheckRunHealthResult(WorkerStatus.FAILED, LOST)
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    @cached_property
    def _workers(self) -> WorkerInspector:
        return WorkerInspector(self.celery)
