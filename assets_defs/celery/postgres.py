"""The connections of daemons and runs to PostgreSQL, and their reaction to its restarts."""

import logging
import os
from collections.abc import Sequence

import dagster as dg
import psycopg2
import sqlalchemy as sa
import tenacity
from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, Pool

# A restart takes seconds; a failover to another server may take half a minute.
WAIT_SECONDS = 60.0
LOST_DATABASE = os.EX_TEMPFAIL
_NEVER = -1
_NO_LIMIT = 0
_FURTHER_CONNECTIONS = 30  # one for each thread of a daemon


def expect_restarts() -> None:
    """Let this process survive restarts of PostgreSQL, or end at once.

    A new connection is tried again for up to `WAIT_SECONDS`. A statement that was running when its
    connection broke may or may not have had effect. Dagster would fail the run without a retry, or
    fail the tick without its remaining runs. So the process exits instead, like a killed one: the
    run is retried, and the restarted daemon continues the tick.
    """
    for target, event, listener in _LISTENERS:
        if not sa.event.contains(target, event, listener):
            sa.event.listen(target, event, listener)


def keep_connected(instance: dg.DagsterInstance) -> None:
    """Keep a connection open from one statement to the next.

    Dagster opens one for each statement, 800 in a run: most of the time of a small run.
    """
    instance.optimize_for_webserver(
        statement_timeout=_NO_LIMIT, pool_recycle=_NEVER, max_overflow=_FURTHER_CONNECTIONS
    )


def _connect(
    dialect: Dialect,
    _: ConnectionPoolEntry,
    arguments: Sequence[str],
    parameters: dict[str, str],
) -> DBAPIConnection:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(psycopg2.OperationalError),
        stop=tenacity.stop_after_delay(WAIT_SECONDS),
        wait=tenacity.wait_random(0, 1),
        reraise=True,
    )(dialect.connect, *arguments, **parameters)


def _replace_if_broken(connection: DBAPIConnection, *_: object) -> None:
    try:
        connection.cursor().execute("SELECT 1")
    except psycopg2.Error:
        raise sa.exc.DisconnectionError from None


def _end_without_database(context: ExceptionContext) -> None:
    if context.is_disconnect and context.connection is not None:
        logging.getLogger(__name__).error("PostgreSQL went away in the middle of a statement")
        logging.shutdown()
        os._exit(LOST_DATABASE)


_LISTENERS = (
    (sa.Engine, "do_connect", _connect),
    (Pool, "checkout", _replace_if_broken),
    (sa.Engine, "handle_error", _end_without_database),
)
