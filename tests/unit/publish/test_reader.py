"""Readers never see half a publication, and never stand in the way of one."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import cycle
from subprocess import PIPE, Popen
from typing import Any

from pipelines.simulator import Sizes, generate
from tests.support import ROOT
from tests.support.publisher import Publisher, Pulled

SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
PUBLICATIONS = 20


class Reader:
    """A process that reads all the time."""

    def __init__(self, process: "Popen[str]") -> None:
        self._process = process

    def next_snapshot(self) -> str:
        """Wait until it has seen another snapshot."""
        assert self._process.stdout
        return self._process.stdout.readline().strip()

    def stop(self) -> dict[str, Any]:
        """What it saw until now."""
        assert self._process.stdout
        assert self._process.stdin
        self._process.stdin.write("stop\n")
        self._process.stdin.flush()
        seen: dict[str, Any] = json.loads(self._process.stdout.readline())
        return seen


@contextmanager
def reading(how: str, publisher: Publisher) -> Iterator[Reader]:
    script = ROOT / "tests" / "support" / "watching_reader.py"
    arguments = [str(path) for path in (script, how, publisher.file, publisher.history.root)]
    with Popen([sys.executable, *arguments], stdin=PIPE, stdout=PIPE, text=True) as process:
        yield Reader(process)
    assert process.returncode == 0


def pulled_states(pull: Callable[..., Pulled]) -> list[Pulled]:
    """Pulls of an organization that changed in between, to be published in turn."""
    organization = generate(sizes=SMALL)
    states = []
    for number in range(3):
        states.append(pull(organization))
        organization.add_system()
        organization.add_user(username=f"new.person.{number}")
        organization.remove_user(next(iter(organization.users)))
    return states


def later(pulled: Pulled, by: timedelta) -> Pulled:
    """The same tables, as if they had been pulled later."""
    one = pulled.pull
    moved = replace(one, started_at=one.started_at + by, finished_at=one.finished_at + by)
    return replace(pulled, pull=moved)


def test_readers_see_whole_snapshots_during_twenty_publications(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    pulls = cycle(pulled_states(pull))
    published = [publisher.publish(next(pulls)).snapshot_id]
    with reading("stay", publisher) as staying, reading("anew", publisher) as anew:
        assert staying.next_snapshot() == anew.next_snapshot() == published[0]
        for number in range(1, PUBLICATIONS + 1):
            pulled = later(next(pulls), timedelta(hours=12 * number))
            published.append(publisher.publish(pulled).snapshot_id)
            # It reads all the while; the next publication waits until it has seen this one.
            assert anew.next_snapshot() == published[-1]
        old, new = staying.stop(), anew.stop()
    sys.stdout.write(f"{new['openings']} openings, {old['answers'] + new['answers']} answers\n")
    assert old["snapshots"] == published[:1]
    assert new["snapshots"] == published
    assert old["mixed"] == new["mixed"] == new["broken"] == []
    assert old["changed_under_a_connection"] == 0
    assert new["openings"] == new["answers"] > PUBLICATIONS
    assert old["answers"] > PUBLICATIONS
    assert new["manifests"] == len(published)
