"""Open Dagster's instance, and explain errors of its settings and its database."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources

import dagster as dg

from pipelines.errors import InventoryError, SettingsError
from pipelines.storage.atomic import write_text
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace

DAGSTER_HOME_VARIABLE = "DAGSTER_HOME"
_UNSET = re.compile(r'environment variable "(\w+)" which is not set')
_MAX_RUNS = re.compile(r"^([^#\n]*\bmax_concurrent_runs:\s*)\d+", re.MULTILINE)


def open_instance(workspace: Workspace) -> dg.DagsterInstance:
    """Open the instance of a workspace, a context manager.

    Raises:
        SettingsError: see `explained_instance_errors`.
        InventoryError: see `explained_instance_errors`.
    """
    with explained_instance_errors(workspace):
        return dg.DagsterInstance.from_config(str(workspace.dagster_home))


def open_existing_instance(workspace: Workspace) -> dg.DagsterInstance:
    """Open the instance to read it; an empty one in memory if there is none yet.

    Raises:
        SettingsError: see `explained_instance_errors`.
        InventoryError: see `explained_instance_errors`.
    """
    if not workspace.dagster_home.exists():
        return dg.DagsterInstance.ephemeral()
    return open_instance(workspace)


@contextmanager
def explained_instance_errors(workspace: Workspace) -> Iterator[None]:
    """Explain errors that occur while an instance, or a part of it, is opened.

    Raises:
        SettingsError: its `dagster.yaml` names a variable that is not set.
        InventoryError: its PostgreSQL cannot be reached.
    """
    settings = workspace.dagster_settings
    try:
        yield
    except dg.DagsterInvalidConfigError as error:
        unset = dict.fromkeys(_UNSET.findall(str(error)))
        if not unset:
            raise
        raise SettingsError(
            f"{settings} names {', '.join(unset)}, which this process does not have: "
            "set it as on the other machines (docs/how-to/cluster.md)"
        ) from None
    except _postgres_errors() as error:
        reason = " ".join(str(getattr(error.__cause__, "orig", error)).split())
        raise InventoryError(
            f"PostgreSQL cannot be reached ({reason}): check that it runs, and the host, port "
            f"and password of {settings} and the environment"
        ) from None


def _postgres_errors() -> tuple[type[Exception], ...]:
    try:
        from dagster_postgres.utils import DagsterPostgresException  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError:
        return ()
    return (DagsterPostgresException,)


def prepare_instance(workspace: Workspace) -> None:
    """Create the data directory with Dagster's home, which all commands and the UI share.

    Raises:
        SettingsError: it cannot be written.
        OSError: the disk is full.
    """
    workspace.prepare(workspace.dagster_home, workspace.staging.root)
    settings = workspace.dagster_settings
    with workspace.explained_writes(), locked(workspace.dagster_lock):
        if not settings.exists():
            template = resources.files("assets_defs") / settings.name
            write_text(template.read_text(encoding="utf-8"), settings)


def limit_concurrent_runs(workspace: Workspace, limit: int) -> None:
    """Limit the runs that Dagster's queue starts at once; needs `prepare_instance`.

    Nothing else in `dagster.yaml` is changed, because the file is the user's.

    Raises:
        SettingsError: the file cannot be read or written.
    """
    path = workspace.dagster_settings
    try:
        text = path.read_text(encoding="utf-8")
        limited = _MAX_RUNS.sub(rf"\g<1>{limit}", text)
        if limited != text:
            write_text(limited, path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be changed ({error.strerror})") from None
