"""What the process of a run does when PostgreSQL is restarted, or away for a while."""

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


def say(process: "subprocess.Popen[str]", line: str) -> None:
    assert process.stdin
    process.stdin.write(line)
    process.stdin.flush()


def answer(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline()


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    with postgres() as server:
        yield server


def test_an_open_connection_that_broke_between_two_statements_is_not_missed(
    database: Postgres,
) -> None:
    with client(database) as process:
        say(process, ONE)
        assert answer(process) == "1\n"
        database.restart()
        say(process, ONE)
        assert answer(process) == "1\n"


def test_a_database_that_is_away_is_waited_for(database: Postgres) -> None:
    with client(database) as process:
        say(process, ONE)
        assert answer(process) == "1\n"
        database.stop()
        say(process, ONE)
        timer = threading.Timer(2.0, database.start)
        timer.start()
        assert answer(process) == "1\n"
        timer.join()


def test_a_statement_that_is_cut_off_ends_the_process(database: Postgres) -> None:
    with client(database) as process, closing(database.connect()) as other:
        other.autocommit = True  # else the first look is what it sees
        say(process, "SELECT pg_sleep(600)\n")
        with other.cursor() as cursor:

            def is_asleep() -> bool:
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
                return bool(cursor.fetchone()[0])

            wait_until(is_asleep, "the statement is under way")
        database.restart()
        assert process.wait(60) == LOST_DATABASE
