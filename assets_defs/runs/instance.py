"""Dagster's instance, opened; what is wrong with its settings or its database, in words."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import dagster as dg

from pipelines.config.environment import WORK_VARIABLE, home, object_store_url
from pipelines.errors import InventoryError, SettingsError
from pipelines.storage.atomic import flush, write_text
from pipelines.storage.disk_errors import is_no_room
from pipelines.storage.locks import locked

DAGSTER_HOME_VARIABLE = "DAGSTER_HOME"
DAGSTER_SETTINGS = "dagster.yaml"
_UNSET = re.compile(r'environment variable "(\w+)" which is not set')


def open_instance() -> dg.DagsterInstance:
    """The instance that `DAGSTER_HOME` names; a context manager itself.

    Raises:
        SettingsError: its `dagster.yaml` names a variable that is not set.
        InventoryError: its PostgreSQL cannot be asked.
    """
    with instance_errors_in_words():
        return dg.DagsterInstance.get()


@contextmanager
def instance_errors_in_words() -> Iterator[None]:
    """Say what keeps an instance, or a part of it, from being opened.

    Raises:
        SettingsError: its `dagster.yaml` names a variable that is not set.
        InventoryError: its PostgreSQL cannot be asked.
    """
    try:
        yield
    except dg.DagsterInvalidConfigError as error:
        unset = dict.fromkeys(_UNSET.findall(str(error)))
        if not unset:
            raise
        raise SettingsError(
            f"{_settings()} names {', '.join(unset)}, which this process does not have: "
            "set it as on the other machines (docs/how-to/cluster.md)"
        ) from None
    except _postgres_errors() as error:
        reason = " ".join(str(getattr(error.__cause__, "orig", error)).split())
        raise InventoryError(
            f"PostgreSQL cannot be asked ({reason}): look whether it runs, and at the host, port "
            f"and password of {_settings()} and the environment"
        ) from None


def _settings() -> Path:
    return Path(os.environ[DAGSTER_HOME_VARIABLE]) / DAGSTER_SETTINGS


def _postgres_errors() -> tuple[type[Exception], ...]:
    try:
        from dagster_postgres.utils import DagsterPostgresException  # noqa: PLC0415 -- an extra
    except ModuleNotFoundError:
        return ()
    return (DagsterPostgresException,)


_RUNS_AT_ONCE = re.compile(r"^([^#\n]*\bmax_concurrent_runs:\s*)\d+", re.MULTILINE)


def prepare_home() -> None:
    """Make the data directory with Dagster's home inside, and name that in the environment.

    So the command line, the UI and the schedule see the same runs.

    Raises:
        SettingsError: it cannot be written.
        OSError: there is no room.
    """
    dagster_home = home() / "dagster"
    try:
        # Names, e-mail addresses and who has sudo are nobody else's business.
        new = [each for each in (home(), *home().parents) if not each.exists()]
        home().mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in new:
            flush(each.parent)
        for folder in (home(), dagster_home, home() / "history", home() / "parquet"):
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        with locked(home() / "locks" / ".dagster"):
            if not (dagster_home / DAGSTER_SETTINGS).exists():
                template = resources.files("assets_defs") / DAGSTER_SETTINGS
                write_text(template.read_text(encoding="utf-8"), dagster_home / DAGSTER_SETTINGS)
    except OSError as error:
        if is_no_room(error):
            raise
        raise SettingsError(
            f"the data directory {home()} cannot be written ({error.strerror}); "
            f"name another one with {WORK_VARIABLE if object_store_url() else '--data-dir'}"
        ) from None
    os.environ[DAGSTER_HOME_VARIABLE] = str(dagster_home)


def limit_runs_at_once(limit: int) -> None:
    """Let Dagster's queue start no more runs at once; needs `prepare_home`.

    Changes that one number of `dagster.yaml`: the rest is the user's.

    Raises:
        SettingsError: the file cannot be read or written.
    """
    path = home() / "dagster" / DAGSTER_SETTINGS
    try:
        text = path.read_text(encoding="utf-8")
        limited = _RUNS_AT_ONCE.sub(rf"\g<1>{limit}", text)
        if limited != text:
            write_text(limited, path)
    except OSError as error:
        raise SettingsError(f"{path}: cannot be changed ({error.strerror})") from None
