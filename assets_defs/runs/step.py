"""The context of each step of a run: integration, lock, scratch folder, and clear failures."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
import duckdb

from assets_defs.asset_keys import AssetKeys
from assets_defs.partitions import add_partitions
from pipelines.config.integration import Integration
from pipelines.errors import InventoryError
from pipelines.extract.discovery import resolve_integration
from pipelines.storage.disk_errors import explain
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace

RUN_LOCK = "jumpcloud_inventory_run_lock"


class RunLock:
    """Lock of an integration, held from the first step of a run until the run ends.

    No other run of the integration may start between two steps, because all its runs stage their
    tables at the same place. In the in-process executor, a resource of Dagster lives as long as
    its run.

    Args:
        stack: released at the end of the run.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self._held: set[Path] = set()

    def acquire(self, workspace: Workspace, integration: str) -> None:
        """Take the lock, unless an earlier step of this run holds it.

        Raises:
            HeldByAnotherError: another run of the integration is in progress.
        """
        path = workspace.run_lock(integration)
        if path not in self._held:
            self._stack.enter_context(locked(path, f"a run of integration {integration!r}"))
            self._held.add(path)


@dg.resource(description="Lock of the integration, from the first step of a run to its end")
def run_lock(_: dg.InitResourceContext) -> Iterator[RunLock]:
    """Yield the lock of a run; it is released when the run ends."""
    with ExitStack() as stack:
        yield RunLock(stack)


@contextmanager
def step(context: dg.AssetExecutionContext, workspace: Workspace) -> Iterator[Integration]:
    """Yield the integration of a step. No other run writes its tables until this run ends.

    The asset needs the resource `RUN_LOCK`.

    Raises:
        dg.Failure: another run of the integration is in progress, the disk is full or not
            writable, or there is another problem that a user can fix.
    """
    with errors_as_failures(workspace):
        workspace.make_root()
        integration = resolve_integration(workspace, context.partition_key)
        lock: RunLock = getattr(context.resources, RUN_LOCK)
        lock.acquire(workspace, integration.name)
        _require_in_progress(context)
        # Dagster refuses the results of a run that was started without it, or by version 0.1.
        add_partitions(context.instance, AssetKeys(workspace.prefix), [integration.name])
        with _spill_directory(workspace.scratch(integration.name)):
            yield integration


def select(
    context: dg.AssetExecutionContext, result: dg.MaterializeResult[None]
) -> Iterator[dg.MaterializeResult[None]]:
    """Yield the result of an asset, without unselected checks, if the run selects the asset.

    A step makes all of its assets, because they belong together. A run may select one of them.
    """
    if result.asset_key in context.selected_asset_keys:
        names = {
            key.name
            for key in context.selected_asset_check_keys
            if key.asset_key == result.asset_key
        }
        checks = [check for check in result.check_results or () if check.check_name in names]
        yield result._replace(check_results=checks)


@contextmanager
def errors_as_failures(workspace: Workspace) -> Iterator[None]:
    """Raise errors that a user can fix as a failure with their message, without a traceback.

    Raises:
        dg.Failure: has the message of the error.
    """
    try:
        yield
    except (InventoryError, OSError, duckdb.Error) as error:
        failure = explain(error, workspace.root)
        if failure is None:
            raise
        raise dg.Failure(str(failure), allow_retries=False) from None


def _require_in_progress(context: dg.AssetExecutionContext) -> None:
    """Raise if the run was ended from outside.

    A worker that cannot be reached is assumed dead, and its run is retried elsewhere. Only one of
    the two may publish.

    Raises:
        InventoryError: the run was ended.
    """
    run = context.instance.get_run_by_id(context.op_execution_context.run_id)
    if run and run.is_finished:
        raise InventoryError(f"this run was ended from outside ({run.status.value.lower()})")


@contextmanager
def _spill_directory(folder: Path) -> Iterator[None]:
    """Put temporary files into a folder of the run, and delete those of an earlier crash.

    The folder is in the data directory, because a join may spill more than the system's temporary
    folder holds.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)
