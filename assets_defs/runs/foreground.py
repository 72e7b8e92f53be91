"""Run the job in this process, recorded like a run that the UI has started."""

from collections.abc import Mapping

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from assets_defs.asset_keys import AssetKeys
from assets_defs.jobs import REFRESH_JOB
from assets_defs.partitions import PARTITION_TAG, add_partitions
from assets_defs.runs.stale import MAX_RETRIES_TAG

# The module that `ui` and `workspace.yaml` serve; it also names the code location.
DEFINITIONS = "assets_defs.definitions"
# Its value is the id of the run: a run that repeats it in the UI takes over its tags.
TERMINAL_TAG = "jumpcloud_inventory/terminal_run"


def run_in_process(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    integration: str,
    run_config: Mapping[str, object],
) -> tuple[str, list[dg.DagsterEvent]]:
    """Run the job for an integration; return the id of the run and its events.

    The run has the origin that lets the UI show it under its code location and repeat it, which
    `execute_in_process` does not record.
    """
    add_partitions(instance, AssetKeys(), [integration])
    job = definitions.resolve_job_def(REFRESH_JOB)
    run_id = dg.DagsterRun(REFRESH_JOB).run_id
    run = instance.create_run_for_job(
        job,
        run_id=run_id,
        run_config=run_config,
        # The terminal reports a failure, and nobody expects that the daemon retries it.
        tags={PARTITION_TAG: integration, TERMINAL_TAG: run_id, MAX_RETRIES_TAG: "0"},
        remote_job_origin=RemoteJobOrigin(repository_origin(), REFRESH_JOB),
    )
    return run_id, list(execute_run_iterator(InMemoryJob(job), run, instance))


def repository_origin() -> RemoteRepositoryOrigin:
    """Return the origin of the definitions as `ui` serves them."""
    target = LoadableTargetOrigin(module_name=DEFINITIONS)
    location = ManagedGrpcPythonEnvCodeLocationOrigin(target, location_name=DEFINITIONS)
    return RemoteRepositoryOrigin(location, "__repository__")
