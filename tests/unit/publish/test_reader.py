"""Readers see only complete snapshots, and do not block a publication."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import cycle
from subprocess import PIPE, Popen
from typing import Any

from pipelines.simulator import Sizes, generate
from tests.support import ROOT
from tests.support.publisher import Publisher, Pulled, on_day

# As pandas and polars do, one of them reads through a cursor.
READ_TIMES = """
import sys
import polars as pl
from pipelines import open_inventory

with open_inventory(sys.argv[1]) as inventory:
    for connection in (inventory, inventory.cursor()):
        query = "SELECT DISTINCT started_at::TEXT FROM snapshots"
        print(connection.execute(query).fetchall()[0][0])
    print(inventory.table("snapshots").df()["started_at"][0])
    print(pl.read_database("FROM snapshots", inventory)["started_at"][0])
"""
SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
PUBLICATIONS = 8


class Reader:
    """A process that reads continuously."""

    def __init__(self, process: "Popen[str]") -> None:
        self._process = process

    def next_snapshot(self) -> str:
        """Wait for the next snapshot that it sees."""
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def stop(self) -> dict[str, Any]:
        """Stop it, and return its counts."""
        assert self._process.stdout
        assert self._process.stdin
        self._process.stdin.write("stop\n")
        self._process.stdin.flush()
        seen: dict[str, Any] = json.loads(self._process.stdout.readline())
        return seen


@contextmanager
def reading(mode: str, publisher: Publisher) -> Iterator[Reader]:
    script = ROOT / "tests" / "support" / "watching_reader.py"
    arguments = [str(path) for path in (script, mode, publisher.file, publisher.history.root)]
    with Popen([sys.executable, *arguments], stdin=PIPE, stdout=PIPE, text=True) as process:
        yield Reader(process)
    assert process.returncode == 0


def pulled_states(pull: Callable[..., Pulled]) -> list[Pulled]:
    """Return pulls of an organization that changes between them."""
    organization = generate(sizes=SMALL)
    states = []
    for number in range(3):
        states.append(pull(organization))
        organization.add_system()
        organization.add_user(username=f"new.person.{number}")
        organization.remove_user(next(iter(organization.users)))
    return states


def test_reader_sees_only_complete_snapshots(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    pulls = cycle(pulled_states(pull))
    published = [publisher.publish(next(pulls)).snapshot_id]
    with reading("stay", publisher) as staying, reading("reopen", publisher) as reopening:
        assert staying.next_snapshot() == reopening.next_snapshot() == published[0]
        for number in range(1, PUBLICATIONS + 1):
            pulled = next(pulls)
            later = pulled.moved_to(pulled.pull.started_at + timedelta(hours=12 * number))
            published.append(publisher.publish(later).snapshot_id)
            # The next publication waits until the reader has seen this one.
            assert reopening.next_snapshot() == published[-1]
        old, new = staying.stop(), reopening.stop()
    sys.stdout.write(f"{new['openings']} openings, {old['answers'] + new['answers']} answers\n")
    assert old["snapshots"] == published[:1]
    assert new["snapshots"] == published
    assert old["mixed"] == new["mixed"] == new["broken"] == []
    assert old["changed_answers"] == 0
    assert new["openings"] == new["answers"] > PUBLICATIONS
    assert old["answers"] > PUBLICATIONS
    assert new["manifests"] == len(published)


def test_times_are_in_utc_wherever_the_reader_is(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.publish(on_day(0, pull(generate(sizes=SMALL))))
    read = subprocess.run(
        [sys.executable, "-c", READ_TIMES, publisher.file],
        env=os.environ | {"TZ": "America/New_York"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    of_duckdb, of_frames = ["2024-01-30 08:00:00+00"] * 2, ["2024-01-30 08:00:00+00:00"] * 2
    assert read.stdout.splitlines() == of_duckdb + of_frames
