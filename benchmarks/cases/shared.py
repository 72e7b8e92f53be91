"""Measure the use of a server's rate by two processes that share one key and its rate."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import redis
import tenacity

from benchmarks.cases.limits import COLUMNS, RateUse
from benchmarks.organization import Spec
from benchmarks.runner import BenchmarkError, Report
from benchmarks.served import (
    OurRun,
    Served,
    published_memberships,
    query_number,
    run_ours,
    serve,
)
from pipelines.ratelimit.limiter import THROTTLE_VARIABLE

PROCESSES = 2
# A cold start costs a constant number of refusals: a larger share of these 20 seconds than of the
# 75 seconds of `limits`.
THROTTLED_BOUND = 6
# The sizes keep each rate busy for about 20 seconds, by two pulls.
SPECS = {
    8: Spec(systems=200, users=200, system_groups=7, applications=10),
    25: Spec(systems=500, users=500, system_groups=30, applications=20),
    100: Spec(systems=500, users=500, system_groups=130, applications=50),
}
WINDOW = "SELECT {}(epoch({})) FROM snapshots"


def measure(scratch: Path) -> Report:
    """Pull the same organization by two processes at once, with no remembered rate."""
    rows, goals = [], []
    for rate, spec in SPECS.items():
        folder = scratch / str(rate)
        folder.mkdir()
        limited = replace(spec, requests_per_second=rate)
        with _redis(folder), serve(limited, folder) as served:
            runs = _run(served, folder)
            calls = served.calls()
            found = folder / "found.parquet"
            counts = [
                served.membership_counts(published_memberships(run.published, found))
                for run in runs
            ]
        began = min(query_number(run.published, WINDOW.format("min", "started_at")) for run in runs)
        ended = max(
            query_number(run.published, WINDOW.format("max", "finished_at")) for run in runs
        )
        use = RateUse(rate, ended - began, calls, counts)
        rows.append(use.row())
        goals += use.goals(THROTTLED_BOUND)
    return Report("Two processes with one key: a token bucket, 50 ms a call", COLUMNS, rows, goals)


def _run(served: Served, folder: Path) -> list[OurRun]:
    with ThreadPoolExecutor(PROCESSES) as pool:
        # Without Dagster, so that both start at the same time.
        runs = [
            pool.submit(run_ours, served, folder / f"data-{number}", by_dagster=False)
            for number in range(PROCESSES)
        ]
    return [run.result() for run in runs]


@contextmanager
def _redis(folder: Path) -> Iterator[None]:
    """Start a Redis, and pass its address to the processes started meanwhile."""
    if not shutil.which("redis-server"):
        raise BenchmarkError("redis-server: not found. Install it: apt-get install redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--bind", "127.0.0.1", "--port", f"{port}", "--save", ""]
    with (
        (folder / "redis.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
        redis.Redis(port=port) as client,
    ):
        os.environ[THROTTLE_VARIABLE] = f"redis://127.0.0.1:{port}"
        try:
            tenacity.retry(stop=tenacity.stop_after_attempt(100), wait=tenacity.wait_fixed(0.1))(
                client.ping
            )()
            yield
        finally:
            del os.environ[THROTTLE_VARIABLE]
            process.terminate()
