"""A simulated organization, served by a process of its own while a measurement lasts."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.organization import Spec
from benchmarks.processes import BenchmarkError

STOP_SECONDS = 10
ANSWER_SECONDS = 30


@dataclass(frozen=True)
class Calls:
    """What the simulator was asked: all calls, and those that it answered 429."""

    total: int
    throttled: int

    def __sub__(self, other: "Calls") -> "Calls":
        """The calls since then."""
        return Calls(self.total - other.total, self.throttled - other.throttled)


@dataclass(frozen=True)
class Served:
    """A simulated organization while it is served.

    Attributes:
        base_url: where.
        api_key: its key.
        cheapest_calls: of the plan that cannot be beaten.
        memberships: Parquet file of every membership that exists.
    """

    base_url: str
    api_key: str
    cheapest_calls: int
    memberships: Path

    def calls(self) -> Calls:
        """Ask the simulator for its own count."""
        url = f"{self.base_url}/__simulator__/calls"
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 -- loopback
            counters = json.load(answer)
        return Calls(counters["calls"], counters["by_status"].get("429", 0))

    def membership_counts(self, found: Path) -> "MembershipCounts":
        """Compare the memberships in a Parquet file, `group_id` and `system_id`, with the truth."""
        pairs = "SELECT DISTINCT group_id, system_id FROM read_parquet('{}')"
        ours, expected_tables = pairs.format(found), pairs.format(self.memberships)
        return MembershipCounts(
            exist=_count(expected_tables),
            found=_count(f"{ours} INTERSECT {expected_tables}"),
            invented=_count(f"{ours} EXCEPT {expected_tables}"),
        )


@dataclass(frozen=True)
class MembershipCounts:
    """Memberships that exist, those of them that were found, and found ones that do not exist."""

    exist: int
    found: int
    invented: int

    @property
    def wrong(self) -> int:
        """Those lost or invented."""
        return self.exist - self.found + self.invented

    def __str__(self) -> str:
        """Found of existing."""
        return f"{self.found:,} of {self.exist:,}"


@contextmanager
def serve(spec: Spec, folder: Path) -> Iterator[Served]:
    """Serve an organization; `folder` takes the truth about it."""
    memberships = folder / "memberships.parquet"
    command = [sys.executable, "-m", "benchmarks.organization", spec.to_json(), str(memberships)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise BenchmarkError("the simulator did not start")
            yield Served(**json.loads(line), memberships=memberships)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _count(query: str) -> int:
    with duckdb.connect() as connection:
        row = connection.execute(f"SELECT count(*) FROM ({query})").fetchone()
    return int(row[0]) if row else 0
