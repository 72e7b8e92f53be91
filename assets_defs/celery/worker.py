"""The Celery application of a worker: `celery -A assets_defs.celery.worker worker`."""

import os
from pathlib import Path

import dagster as dg
from celery import Celery
from dagster._cli.api import _execute_run_command_body
from dagster._core.instance.ref import InstanceRef
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import unpack_value
from dagster_celery.config import TASK_EXECUTE_JOB_NAME
from dagster_shared.serdes.serdes import JsonSerializableValue

from assets_defs.celery.launcher import WatchingCeleryRunLauncher
from assets_defs.celery.postgres import expect_restarts, keep_connected
from assets_defs.cli.options import explained_errors
from assets_defs.definitions import build_code_location
from assets_defs.runs.instance import explained_instance_errors, open_instance, prepare_instance
from pipelines.config.environment import DAGSTER_HOME_VARIABLE
from pipelines.errors import SettingsError
from pipelines.workspace import Workspace

# Redis then gives the run to another worker as well. It starts there if the first worker was killed
# before the start; otherwise it is ignored.
UNANSWERED_SECONDS = 600


def _execute_run(execute_job_args_packed: JsonSerializableValue) -> int:
    """Execute a run like Dagster's own task of this name; return the exit code."""
    expect_restarts()
    arguments = unpack_value(execute_job_args_packed, as_type=ExecuteRunArgs)
    with dg.DagsterInstance.get() as instance:
        keep_connected(instance)
        return _execute_run_command_body(
            arguments.run_id, instance, lambda _: None, set_exit_code_on_failure=True
        )


def _application(workspace: Workspace) -> Celery:
    prepare_instance(workspace)
    folder = str(workspace.dagster_home)
    # `DagsterInstance.get()` reads it, here and in the processes of the runs.
    os.environ[DAGSTER_HOME_VARIABLE] = folder
    with explained_instance_errors(workspace.dagster_settings):
        launcher = InstanceRef.from_dir(folder).run_launcher
    if not isinstance(launcher, WatchingCeleryRunLauncher):
        raise SettingsError(
            f"{workspace.dagster_settings} does not name {WatchingCeleryRunLauncher.__name__}: "
            "put the file there that docs/how-to/cluster.md describes"
        )
    # With a wrong address or wrong settings it would fail each run that it takes, faster than other
    # workers take them.
    open_instance(workspace).dispose()
    workspace.settings()
    # Imports the assets before the processes of the runs are forked.
    build_code_location(workspace)
    application = launcher.celery
    application.conf.update(
        # A new process for each run, so that nothing outlives a run.
        worker_max_tasks_per_child=1,
        # A worker reserves no run that another worker could start now ...
        worker_prefetch_multiplier=1,
        # ... and loses none that it took; Dagster ignores a second delivery.
        task_acks_late=True,
        broker_transport_options={
            **application.conf.broker_transport_options,
            "visibility_timeout": UNANSWERED_SECONDS,
        },
        broker_connection_retry_on_startup=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
    )
    application.task(_execute_run, name=TASK_EXECUTE_JOB_NAME, track_started=True)
    return application


with explained_errors(Path()):
    # A worker has a home of its own.
    _workspace = Workspace.from_environment({**os.environ, DAGSTER_HOME_VARIABLE: ""})
with explained_errors(_workspace.root):
    app = _application(_workspace)
