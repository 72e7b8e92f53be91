"""Runs our own command against a served organization, and reads what it published."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from benchmarks.processes import BenchmarkError, Usage, run
from benchmarks.served import Calls, Served

COMMAND = Path(sys.executable).with_name("jumpcloud-inventory")
NAME = "benchmark"
KEY_VARIABLE = "BENCHMARK_JUMPCLOUD_KEY"
IN_FLIGHT = 10
ALL_TARGETS = ("user", "user_group", "policy", "policy_group", "command")

_SETTINGS = """\
[[integration]]
name = "{name}"
base_url = "{url}"
api_key_env = "{variable}"
max_in_flight = {in_flight}
association_targets = [{targets}]
skip_endpoints = [{skipped}]
"""


@dataclass(frozen=True)
class OurRun:
    """What one run of our command did.

    Attributes:
        usage: of the whole process.
        pull_seconds: from before its first call to after the last answer, as it published it.
        calls: by the simulator's count.
        published: the DuckDB file.
    """

    usage: Usage
    pull_seconds: float
    calls: Calls
    published: Path


def run_ours(
    served: Served,
    data_dir: Path,
    *,
    targets: Sequence[str] = ALL_TARGETS,
    skipped: Sequence[str] = (),
    by_dagster: bool = True,
    timeout_seconds: float = 600,
) -> OurRun:
    """Pull and publish once; a later run in the same `data_dir` remembers the earlier one.

    Args:
        served: the organization.
        data_dir: where to.
        targets: types of targets of associations.
        skipped: endpoints left out.
        by_dagster: whether by the command, or by `pipelines` alone.
        timeout_seconds: after which it is ended.

    Raises:
        BenchmarkError: the command failed.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    settings = data_dir / "integrations.toml"
    settings.write_text(
        _SETTINGS.format(
            name=NAME,
            url=served.base_url,
            variable=KEY_VARIABLE,
            in_flight=IN_FLIGHT,
            targets=_quoted(targets),
            skipped=_quoted(skipped),
        )
    )
    before = served.calls()
    command = [str(COMMAND), "run", "--config", str(settings), "--data-dir", str(data_dir)]
    if not by_dagster:
        command = [sys.executable, "-m", "benchmarks.without_dagster", str(settings), str(data_dir)]
    usage = run(
        command,
        {KEY_VARIABLE: served.api_key},
        data_dir / "run.log",
        timeout_seconds,
    )
    published = data_dir / "inventory.duckdb"
    seconds = one(
        published,
        "SELECT epoch(finished_at - started_at) FROM snapshots ORDER BY started_at DESC LIMIT 1",
    )
    return OurRun(usage, seconds, served.calls() - before, published)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def one(database: Path, query: str) -> float:
    """The single number that a query of a DuckDB file gives."""
    with duckdb.connect(database, read_only=True) as connection:
        row = connection.execute(query).fetchone()
    if row is None:
        raise BenchmarkError(f"{query}: found nothing")
    return float(row[0])


def count_memberships(published: Path, path: Path) -> Path:
    """Write the published memberships to a Parquet file."""
    with duckdb.connect(published, read_only=True) as connection:
        connection.execute(
            f"COPY (SELECT group_id, system_id FROM system_group_members) TO '{path}'"
        )
    return path
