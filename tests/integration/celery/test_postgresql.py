"""The process of a run while PostgreSQL is restarted or stopped."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from assets_defs.celery.postgres import LOST_DATABASE
from tests.support import ROOT
from tests.support.cluster.services import Postgres, postgres, wait_until
from tests.support.needs import NEEDS_SERVICES

pytestmark = NEEDS_SERVICES
CLIENT = ROOT / "tests" / "support" / "patient_client.py"
ONE = "SELECT 1\n"


@contextmanager
def client(database: Postgres) -> Iterator["subprocess.Popen[str]"]:
    address = f"postgresql+psycopg2://dagster:{database.password}@127.0.0.1:{database.port}/dagster"
    with subprocess.Popen(
        [sys.executable, CLIENT, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def send(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin
    process.stdin.write(line)
    process.stdin.flush()


def read_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline()


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


def test_broken_idle_connection_is_replaced(
    database: Postgres,
) -> None:
    with client(database) as process:
        send(process, ONE)
        assert read_line(process) == "1\n"
        database.restart()
        send(process, ONE)
        assert read_line(process) == "1\n"


def test_stopped_database_is_waited_for(database: Postgres) -> None:
    with client(database) as process:
        send(process, ONE)
        assert read_line(process) == "1\n"
        database.stop()
        send(process, ONE)
        timer = threading.Timer(2.0, database.start)
        timer.start()
        assert read_line(process) == "1\n"
        timer.join()


def test_interrupted_statement_ends_process(database: Postgres) -> None:
    with client(database) as process, closing(database.connect()) as other:
        other.autocommit = True  # without it, every query sees the state of the first one
        send(process, "SELECT pg_sleep(600)\n")
        with other.cursor() as cursor:

            def is_asleep() -> bool:
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
                return bool(cursor.fetchone()[0])

            wait_until(is_asleep, "the statement is under way")
        database.restart()
        assert process.wait(60) == LOST_DATABASE
