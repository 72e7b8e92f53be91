"""Serve a simulated organization from another process, and pull it with our own command."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.organization import Spec
from benchmarks.runner import BenchmarkError, Usage, run
from pipelines.config.integration import ALL_TARGETS

STOP_SECONDS = 10
ANSWER_SECONDS = 30
COMMAND = Path(sys.executable).with_name("jumpcloud-inventory")
KEY_VARIABLE = "BENCHMARK_JUMPCLOUD_KEY"
IN_FLIGHT = 10

_SETTINGS = """\
[[integration]]
name = "benchmark"
base_url = "{url}"
api_key_env = "{variable}"
max_in_flight = {in_flight}
association_targets = {targets}
skip_endpoints = {skipped}
direct_bindings = {direct_bindings}
"""


@dataclass(frozen=True)
class Calls:
    """The simulator's count of calls, and of those answered with 429."""

    total: int
    throttled: int

    def __sub__(self, other: "Calls") -> "Calls":
        """Return the calls since another count."""
        return Calls(self.total - other.total, self.throttled - other.throttled)


@dataclass(frozen=True)
class MembershipCounts:
    """The number of memberships that exist, were found, and were found without existing."""

    exist: int
    found: int
    invented: int

    @property
    def wrong(self) -> int:
        """Return the number of lost or invented memberships."""
        return self.exist - self.found + self.invented

    def __str__(self) -> str:
        """Return found of existing memberships."""
        return f"{self.found:,} of {self.exist:,}"


@dataclass(frozen=True)
class Served:
    """A simulated organization while it is served.

    Attributes:
        base_url: Address of the API.
        api_key: Key of the organization.
        cheapest_calls: Number of calls of the cheapest complete plan.
        memberships: Parquet file of every membership that exists.
        direct_bindings: Setting of a pull.
    """

    base_url: str
    api_key: str
    cheapest_calls: int
    memberships: Path
    direct_bindings: str

    def calls(self) -> Calls:
        """Return the simulator's own count."""
        url = f"{self.base_url}/__simulator__/calls"
        with urllib.request.urlopen(url, timeout=ANSWER_SECONDS) as answer:  # noqa: S310 -- loopback
            counters = json.load(answer)
        return Calls(counters["calls"], counters["by_status"].get("429", 0))

    def membership_counts(self, found: Path) -> MembershipCounts:
        """Compare a Parquet file of memberships with those that exist."""
        pairs = "SELECT DISTINCT group_id, system_id FROM read_parquet('{}')"
        ours, expected = pairs.format(found), pairs.format(self.memberships)
        queries = (expected, f"{ours} INTERSECT {expected}", f"{ours} EXCEPT {expected}")
        with duckdb.connect() as connection:
            counts = [len(connection.sql(query)) for query in queries]
        return MembershipCounts(*counts)


@dataclass(frozen=True)
class OurRun:
    """The outcome of one run of our command.

    Attributes:
        usage: Cost of the whole process.
        pull_seconds: Published time from before the first call to after the last answer.
        calls: Calls counted by the simulator.
        published: The DuckDB file.
    """

    usage: Usage
    pull_seconds: float
    calls: Calls
    published: Path


@contextmanager
def serve(spec: Spec, folder: Path) -> Iterator[Served]:
    """Serve an organization, and write its memberships to `folder`."""
    memberships = folder / "memberships.parquet"
    command = [sys.executable, "-m", "benchmarks.organization", spec.to_json(), str(memberships)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise BenchmarkError("the simulator did not start")
            yield Served(
                **json.loads(line), memberships=memberships, direct_bindings=spec.direct_bindings
            )
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def run_ours(
    served: Served,
    data_dir: Path,
    *,
    targets: Sequence[str] = ALL_TARGETS,
    skipped: Sequence[str] = (),
    by_dagster: bool = True,
    timeout_seconds: float = 600,
) -> OurRun:
    """Pull and publish once. A later run in the same `data_dir` remembers the earlier one's rate.

    Args:
        served: The organization.
        data_dir: Data directory of the run.
        targets: Target types of associations.
        skipped: Endpoints left out.
        by_dagster: Use the command; otherwise `pipelines` alone.
        timeout_seconds: Time after which the run is killed.

    Raises:
        BenchmarkError: The run failed.
    """
    settings = write_settings(served, data_dir, targets, skipped)
    before = served.calls()
    command = [str(COMMAND), "run", "--config", str(settings), "--data-dir", str(data_dir)]
    if not by_dagster:
        command = [sys.executable, "-m", "benchmarks.without_dagster", str(settings), str(data_dir)]
    environment = {KEY_VARIABLE: served.api_key}
    usage = run(command, environment, data_dir / "run.log", timeout_seconds)
    published = data_dir / "inventory.duckdb"
    seconds = query_number(
        published,
        "SELECT epoch(finished_at - started_at) FROM snapshots ORDER BY started_at DESC LIMIT 1",
    )
    return OurRun(usage, seconds, served.calls() - before, published)


def write_settings(
    served: Served,
    data_dir: Path,
    targets: Sequence[str] = ALL_TARGETS,
    skipped: Sequence[str] = (),
) -> Path:
    """Write the settings file of a run into its data directory, and return the file's path."""
    data_dir.mkdir(parents=True, exist_ok=True)
    settings = data_dir / "integrations.toml"
    settings.write_text(
        _SETTINGS.format(
            url=served.base_url,
            variable=KEY_VARIABLE,
            in_flight=IN_FLIGHT,
            targets=json.dumps(targets),
            skipped=json.dumps(skipped),
            direct_bindings=json.dumps(served.direct_bindings),
        )
    )
    return settings


def query_number(database: Path, query: str) -> float:
    """Return the single number that a query of a DuckDB file gives."""
    with duckdb.connect(database, read_only=True) as connection:
        row = connection.execute(query).fetchone()
    if row is None:
        raise BenchmarkError(f"{query}: no rows")
    return float(row[0])


def published_memberships(published: Path, path: Path) -> Path:
    """Write the published memberships to a Parquet file, and return its path."""
    with duckdb.connect(published, read_only=True) as connection:
        connection.execute(
            f"COPY (SELECT group_id, system_id FROM system_group_members) TO '{path}'"
        )
    return path
