"""Starts each run as a Celery task, and notices when the worker that has it is gone."""

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

# How long workers may take to answer; an answer is waited for that long.
ANSWER_SECONDS = 3.0
# One look serves all runs that Dagster asks for in a row.
INTERVAL_SECONDS = 5.0
LOST = "No live worker has this run: its worker was killed, or cannot be reached."


class WorkerLooks:
    """What the live workers say that they work on.

    Args:
        celery: the application whose workers are asked.
    """

    def __init__(self, celery: Celery) -> None:
        self._celery = celery
        self._looked_at = float("-inf")
        self._tasks: frozenset[str] = frozenset()
        self._missed: dict[str, float] = {}

    def miss(self, task_id: str) -> bool:
        """Whether two looks in a row, each of them new, did not find the task at a worker.

        One that finds nothing may be a worker's slow answer.
        """
        if time.monotonic() - self._looked_at > INTERVAL_SECONDS:
            self._look()
        if task_id in self._tasks:
            self._missed.pop(task_id, None)
            return False
        return self._missed.setdefault(task_id, self._looked_at) < self._looked_at

    def _look(self) -> None:
        answers = self._celery.control.inspect(timeout=ANSWER_SECONDS).active() or {}
        self._tasks = frozenset(task["id"] for tasks in answers.values() for task in tasks)
        self._looked_at = time.monotonic()


class WatchingCeleryRunLauncher(CeleryRunLauncher):
    """Dagster's launcher of Celery, of which a run is lost together with its worker.

    Dagster's own takes a run for alive until a worker says how its task ended; one that was
    killed never does.
    """

    # Of the daemon's process: nothing else launches runs that wait in a queue.
    _is_prepared = False

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run as a task.

        Whatever starts it again begins with the pull: the tables between the steps lie on the
        disk of the worker that had it.
        """
        if not self._is_prepared:
            expect_restarts()
            keep_connected(self._instance)
            self._is_prepared = True
        whole = {RETRY_STRATEGY_TAG: ReexecutionStrategy.ALL_STEPS.value}
        self._instance.add_run_tags(context.dagster_run.run_id, whole)
        super().launch_run(context)

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether a live worker has the run.

        Celery's record of the task alone says little: that it began is said for ever of one whose
        worker was killed, and nothing is known where Redis lost its data.
        """
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task_id is None:
            # Of the command line: no worker has it.
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        if self.celery.AsyncResult(task_id).state == "FAILURE":
            return CheckRunHealthResult(WorkerStatus.FAILED, "The run's process was killed.")
        if self._looks.miss(task_id):
            return CheckRunHealthResult(WorkerStatus.FAILED, LOST)
        return CheckRunHealthResult(WorkerStatus.RUNNING)

    @cached_property
    def _looks(self) -> WorkerLooks:
        return WorkerLooks(self.celery)
