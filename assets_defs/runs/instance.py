"""Open Dagster's instance, and explain errors of its settings and its database."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster_shared.yaml_utils import load_yaml_from_path

from pipelines.config.environment import DAGSTER_HOME_VARIABLE
from pipelines.errors import InventoryError, SettingsError
from pipelines.storage.atomic import write_text
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace

STORAGE_MODULE = "assets_defs.runs.storage"
_UNSET = re.compile(r'environment variable "(\w+)" which is not set')
# What happens without a setting. No result is wrong.
_COMFORT = {
    "dagster/partition": "without tag_concurrency_limits for dagster/partition, a second run of an "
    "integration fails instead of waiting",
    "run_monitoring": "without run_monitoring, a killed run stays in progress until the next one",
}
_log = logging.getLogger(__name__)
_MAX_RUNS = re.compile(r"^([^#\n]*\bmax_concurrent_runs:\s*)\d+", re.MULTILINE)


def exported_home(workspace: Workspace) -> Path | None:
    """Return Dagster's home that `DAGSTER_HOME` names; None without that variable."""
    exported = workspace.environment.get(DAGSTER_HOME_VARIABLE)
    return Path(exported).expanduser() if exported else None


def is_own_home(workspace: Workspace) -> bool:
    """Return True if `DAGSTER_HOME` names the home in the data directory.

    The instance of any other home may be shared with code locations of others.
    """
    exported = exported_home(workspace)
    return exported is not None and exported.resolve() == workspace.dagster_home.resolve()


def is_own_instance(instance: dg.DagsterInstance, workspace: Workspace) -> bool:
    """Return True if an instance is that of the data directory, also without `DAGSTER_HOME`."""
    if exported_home(workspace) is not None:
        return is_own_home(workspace)
    return Path(instance.root_directory).resolve() == workspace.dagster_home.resolve()


def warn_of_settings(workspace: Workspace) -> None:
    """Warn of a `dagster.yaml` of others that makes the inventory less comfortable."""
    home = exported_home(workspace)
    if home is None or is_own_home(workspace):
        return
    path = home / workspace.dagster_settings.name
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        text = ""
    if missing := [effect for setting, effect in _COMFORT.items() if setting not in text]:
        _log.warning("%s: %s (docs/how-to/dagster.md)", path, "; ".join(missing))


def is_shared_home(workspace: Workspace) -> bool:
    """Return True if the instance that commands open is not the data directory's own."""
    return exported_home(workspace) is not None and not is_own_home(workspace)


def open_instance(workspace: Workspace) -> dg.DagsterInstance:
    """Open the instance of `DAGSTER_HOME`, or of the data directory; a context manager.

    Raises:
        SettingsError: `DAGSTER_HOME` is not a directory; see also `explained_instance_errors`.
        InventoryError: see `explained_instance_errors`.
    """
    home = exported_home(workspace) or workspace.dagster_home
    if not (home.is_absolute() and home.is_dir()):
        raise SettingsError(
            f"{DAGSTER_HOME_VARIABLE}={home}: not the absolute path of a directory. Correct it, or "
            f"unset it to use {workspace.dagster_home}"
        )
    with explained_instance_errors(home / workspace.dagster_settings.name):
        return open_home(home)


def open_home(home: Path) -> dg.DagsterInstance:
    """Open the instance of a home without the variable that its `dagster.yaml` names."""
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=_overrides(home)))


def _overrides(home: Path) -> dict[str, object]:
    """Return the setting of our storage with the path of the home.

    `dagster.yaml` names the home by a variable, which Dagster's own programs need anyway, and our
    commands do not.
    """
    settings = home / "dagster.yaml"
    config = load_yaml_from_path(str(settings)) if settings.exists() else None
    storage = config.get("storage") if isinstance(config, dict) else None
    custom = storage.get("custom") if isinstance(storage, dict) else None
    if not isinstance(custom, dict) or custom.get("module") != STORAGE_MODULE:
        return {}
    return {"storage": {"custom": custom | {"config": {"base_dir": str(home)}}}}


def open_existing_instance(workspace: Workspace) -> dg.DagsterInstance:
    """Open the instance to read it; an empty one in memory if there is none yet.

    Raises:
        SettingsError: see `explained_instance_errors`.
        InventoryError: see `explained_instance_errors`.
    """
    if exported_home(workspace) is None and not workspace.dagster_home.exists():
        return dg.DagsterInstance.ephemeral()
    return open_instance(workspace)


@contextmanager
def explained_instance_errors(settings: Path) -> Iterator[None]:
    """Explain errors that occur while an instance, or a part of it, is opened.

    Args:
        settings: its `dagster.yaml`.

    Raises:
        SettingsError: its `dagster.yaml` names a variable that is not set.
        InventoryError: its PostgreSQL cannot be reached.
    """
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
