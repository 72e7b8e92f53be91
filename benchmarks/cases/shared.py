"""How much of a server's rate two processes use that have the same key, and share the rate."""

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import redis
import tenacity

from benchmarks.organization import Spec
from benchmarks.ours import OurRun, count_memberships, one, run_ours
from benchmarks.processes import BenchmarkError
from benchmarks.rate_use import COLUMNS, RateUse
from benchmarks.report import Report
from benchmarks.served import Served, serve
from pipelines.ratelimit.limiter import THROTTLE_VARIABLE

PROCESSES = 2
# A cold start takes about as many refusals however long it lasts: of 20 seconds that is more than
# of the 75 of `limits`.
THROTTLED_BOUND = 6
# Organizations of a size that keeps each rate busy for about 20 seconds, by two pulls.
SPECS = {
    8: Spec(systems=200, users=200, system_groups=7, applications=10),
    25: Spec(systems=500, users=500, system_groups=30, applications=20),
    100: Spec(systems=500, users=500, system_groups=130, applications=50),
}
WINDOW = "SELECT {}(epoch({})) FROM snapshots"


def measure(scratch: Path) -> Report:
    """Pull the same organization by two processes at once, cold, at each rate."""
    rows, goals = [], []
    for rate, spec in SPECS.items():
        folder = scratch / str(rate)
        folder.mkdir()
        limited = Spec(**{**vars(spec), "requests_per_second": rate})
        with _redis(folder), serve(limited, folder) as served:
            runs = _run(served, folder)
            calls = served.calls()
            found = [
                count_memberships(r.published, folder / f"{n}.parquet") for n, r in enumerate(runs)
            ]
            counts = [served.membership_counts(each) for each in found]
        began = min(one(run.published, WINDOW.format("min", "started_at")) for run in runs)
        ended = max(one(run.published, WINDOW.format("max", "finished_at")) for run in runs)
        use = RateUse(rate, ended - began, calls, counts)
        rows.append(use.row())
        goals += use.goals(THROTTLED_BOUND)
    return Report("Two processes with one key: a token bucket, 50 ms a call", COLUMNS, rows, goals)


def _run(served: Served, folder: Path) -> list[OurRun]:
    with ThreadPoolExecutor(PROCESSES) as pool:
        # Without Dagster, so that both begin at the same time.
        runs = [
            pool.submit(run_ours, served, folder / f"data-{number}", by_dagster=False)
            for number in range(PROCESSES)
        ]
    return [each.result() for each in runs]


@contextmanager
def _redis(folder: Path) -> Iterator[None]:
    """Name a Redis of our own to the processes started meanwhile."""
    if not shutil.which("redis-server"):
        raise BenchmarkError("there is no redis-server; install it (apt-get install redis-server)")
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
