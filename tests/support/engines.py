"""SQLAlchemy engines of Dagster's SQLite files, one for each file.

Dagster makes an engine for each connection, which compiles every statement again. That is a third
of the CPU time of a run. An engine opens a new connection each time, as it does for Dagster.
"""

from dagster._core.storage.event_log.sqlite import sqlite_event_log
from dagster._core.storage.runs.sqlite import sqlite_run_storage
from dagster._core.storage.schedules.sqlite import sqlite_schedule_storage
from sqlalchemy import Engine, create_engine

_ENGINES: dict[str, Engine] = {}


def _kept_engine(url: str, **options: object) -> Engine:
    if url not in _ENGINES:
        _ENGINES[url] = create_engine(url, **options)
    return _ENGINES[url]


def keep_engines() -> None:
    """Let Dagster's storages in this process use one engine for each file."""
    for module in (sqlite_event_log, sqlite_run_storage, sqlite_schedule_storage):
        assert "create_engine" in vars(module)
        vars(module)["create_engine"] = _kept_engine
