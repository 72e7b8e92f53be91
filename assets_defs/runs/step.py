"""What every step of a run needs: to be alone, room to spill, and failures in words."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import duckdb

from pipelines.config.environment import home
from pipelines.config.integration import Integration
from pipelines.errors import InventoryError
from pipelines.extract.discovery import resolve_integration
from pipelines.storage.disk_errors import storage_error
from pipelines.storage.locks import hold
from pipelines.workspace import run_lock, scratch


@contextmanager
def step(context: dg.AssetExecutionContext) -> Iterator[Integration]:
    """The integration of a step, whose tables nothing else writes until this run has ended.

    Raises:
        dg.Failure: another run of the integration is under way, the disk is full or not writable,
            or whatever else is the user's to mend; its description is the message.
    """
    with errors_as_failures():
        integration = resolve_integration(context.partition_key)
        hold(run_lock(integration.name), f"a run of integration {integration.name!r}")
        _require_in_progress(context)
        with _spill_directory(scratch(integration.name)):
            yield integration


@contextmanager
def errors_as_failures() -> Iterator[None]:
    """Let Dagster tell our own errors, and a full or unwritable disk, by their message.

    Raises:
        dg.Failure: its description is the message.
    """
    try:
        yield
    except InventoryError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    except (OSError, duckdb.Error) as error:
        failure = storage_error(error, home())
        if failure is None:
            raise
        raise dg.Failure(str(failure), allow_retries=False) from None


def _require_in_progress(context: dg.AssetExecutionContext) -> None:
    """Go on only if nobody ended the run meanwhile.

    A worker that cannot be reached is taken for dead, and its run is tried again elsewhere: one of
    the two must publish, not both.

    Raises:
        InventoryError: the run was ended.
    """
    run = context.instance.get_run_by_id(context.op_execution_context.run_id)
    if run and run.is_finished:
        raise InventoryError(f"this run was ended from outside ({run.status.value.lower()})")


@contextmanager
def _spill_directory(folder: Path) -> Iterator[None]:
    """Let temporary files go to a folder of the run, emptied of what a crash left there.

    In the data directory, because what a join spills may be larger than a system's own place for
    temporary files.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)
