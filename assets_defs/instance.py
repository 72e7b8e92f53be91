"""Dagster's instance, opened; what is wrong with its settings or its database, in words."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

from pipelines.errors import InventoryError, SettingsError

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
            "set it as on the other machines (docs/cluster.md)"
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
