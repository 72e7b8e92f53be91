"""SQLite storage of Dagster that keeps its connections.

Dagster opens and closes a connection for each statement. Closing the last one of a file flushes the
disk and deletes the write-ahead log, which the next statement makes again. The files are those of
Dagster's own storage: either class opens what the other wrote.
"""

import os
import sqlite3
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Lock, local
from typing import Self
from weakref import WeakSet

import dagster as dg
from dagster._core.event_api import EventHandlerFn
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, SqliteStorageConfig
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event

# Each run has a file of its own. The web server shows many runs, and must not keep all files open.
MAX_ENGINES = 8
# The same as in later releases of Dagster. Other processes write at the same time.
BUSY_SECONDS = 30
# The size of a batch of events. A run has about 130 planned assets and checks.
BATCH_VARIABLE, BATCH_SIZE = "DAGSTER_EVENT_BATCH_SIZE", "1000"


class Engines:
    """The engines of the files used last, each with its open connections.

    Attributes:
        statement_lock: for those who want one statement at a time.
    """

    def __init__(self) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self.make_locks()
        _all_engines.add(self)

    def make_locks(self) -> None:
        """Make the locks, which nobody holds."""
        self._lock, self.statement_lock = Lock(), Lock()

    def get(self, url: str) -> Engine:
        """Return the engine of a file, which is made at its first use."""
        with self._lock:
            if url not in self._engines:
                timeout = {"timeout": BUSY_SECONDS}
                self._engines[url] = create_engine(url, connect_args=timeout)
                event.listen(self._engines[url], "connect", _relax)
            self._engines.move_to_end(url)
            while len(self._engines) > MAX_ENGINES:
                self._engines.popitem(last=False)[1].dispose()
            return self._engines[url]

    def forget(self, url: str) -> None:
        """Close the connections of a file."""
        with self._lock:
            if engine := self._engines.pop(url, None):
                engine.dispose()

    def dispose(self) -> None:
        """Close the connections."""
        with self._lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


# A process would share SQLite's locks with its fork, and the files of a connection that ends in one
# are deleted under the other.
_all_engines: WeakSet[Engines] = WeakSet()


def _close_before_fork() -> None:
    for engines in list(_all_engines):
        engines.dispose()


def _make_locks_after_fork() -> None:
    for engines in list(_all_engines):
        engines.make_locks()  # a thread that only the parent has may hold them


os.register_at_fork(before=_close_before_fork, after_in_child=_make_locks_after_fork)


def _relax(connection: sqlite3.Connection, _: object) -> None:
    """Flush the disk at checkpoints only: a power cut may cost the last events, never the file."""
    connection.execute("PRAGMA synchronous = NORMAL")


def _file_number(path: str) -> int | None:
    """Return the number of a file, which another file of the same name does not have."""
    try:
        return Path(path).stat().st_ino
    except FileNotFoundError:
        return None


class KeptEventLogStorage(SqliteEventLogStorage):
    """Event log that keeps its connections."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines = Engines()
        self._files: dict[str, int | None] = {}  # by run, once its tables are made
        self._tables: set[str] = set()  # that the index has
        self._batch = local()  # the open transactions of a thread that stores events
        super().__init__(base_dir, inst_data)
        # Dagster's own watcher waits for a change of the file, which happens at a checkpoint.
        self._watcher = SqlPollingEventWatcher(self)

    def has_table(self, table_name: str) -> bool:
        """Return True if the index has a table, which Dagster asks before most statements."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)
        return table_name in self._tables

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Store an event."""
        self.store_event_batch([event])

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Store events in one transaction of each file, instead of up to three for each event."""
        with self._engines.statement_lock, ExitStack() as stack:
            connections: dict[str, Connection] = {}
            self._batch.stack, self._batch.connections = stack, connections
            try:
                for event in events:
                    super().store_event(event)
                # The file of the run first: the index repeats what it has.
                for connection in connections.values():
                    connection.commit()
            finally:
                del self._batch.stack, self._batch.connections

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        connections: dict[str, Connection] | None = getattr(self._batch, "connections", None)
        if connections is None:
            with self._engines.statement_lock, self._engine(shard).begin() as connection:
                yield connection
            return
        if shard not in connections:
            connections[shard] = self._batch.stack.enter_context(self._engine(shard).connect())
            connections[shard].begin()  # otherwise Dagster begins and ends one of its own
        yield connections[shard]

    def _engine(self, shard: str) -> Engine:
        url = self.conn_string_for_shard(shard)
        number = _file_number(self.path_for_shard(shard))
        if number is None or number != self._files.get(shard):
            self._engines.forget(url)  # another process may have deleted the file
            self._initdb(self._engines.get(url))
            self._files[shard] = _file_number(self.path_for_shard(shard))
        return self._engines.get(url)

    def watch(self, run_id: str, cursor: str | None, callback: EventHandlerFn) -> None:
        """Call a function for each new event of a run."""
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: EventHandlerFn) -> None:
        """End a watch."""
        self._watcher.unwatch_run(run_id, handler)

    def dispose(self) -> None:
        """Close the connections."""
        self._watcher.close()
        self._engines.dispose()


class KeptRunStorage(SqliteRunStorage):
    """Records of runs that keep their connections."""

    def __init__(self, conn_string: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines = Engines()
        super().__init__(conn_string, inst_data)

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """Yield a connection in a transaction."""
        with self._engines.get(self._conn_string).begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the connections."""
        self._engines.dispose()


class KeptSqliteStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage with connections that are kept; name it in `dagster.yaml`."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        os.environ.setdefault(BATCH_VARIABLE, BATCH_SIZE)  # Dagster has no other setting for it
        self.base_dir = base_dir
        history = Path(base_dir, "history")
        self._run_storage = KeptRunStorage.from_local(str(history))
        self._event_log_storage = KeptEventLogStorage(str(history / "runs"))
        schedules = Path(base_dir, "schedules")
        self._schedule_storage = SqliteScheduleStorage.from_local(str(schedules))
        self._inst_data = inst_data
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]

    @classmethod
    # The two supertypes contradict each other.
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData | None, config_value: SqliteStorageConfig
    ) -> Self:
        """Return the storage of a setting of `dagster.yaml`."""
        return cls.from_local(config_value["base_dir"], inst_data)
