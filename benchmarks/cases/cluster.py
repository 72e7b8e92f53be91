"""A hundred organizations on workers that share a queue: how fast, and each published once."""

import time
from pathlib import Path

import dagster as dg

from benchmarks.cluster.deployment import Deployment, deployment
from benchmarks.cluster.services import ARE_INSTALLED, NotReadyError, wait_until
from benchmarks.processes import BenchmarkError
from benchmarks.report import Goal, Report
from pipelines.simulator import Behavior, Sizes, generate

ORGANIZATIONS = 100
SIZES = Sizes(systems=40, users=20, system_groups=6, user_groups=3, applications=3)
# As an answer of the real API takes; without it a run would be nothing but work for the cores.
LATENCY_SECONDS = 0.1
TIMEOUT_SECONDS = 1800
COLUMNS = (
    "workers",
    "organizations",
    "published once",
    "equal to the truth",
    "seconds",
    "runs lost",
)
# Where nothing else takes time of the cores; the services take theirs as well.
MIN_RATIO = 1.3


def measure(scratch: Path) -> Report:
    """Publish all with one worker, with two, and with two of which one is killed half way."""
    if not ARE_INSTALLED:
        raise BenchmarkError("PostgreSQL and Redis: apt-get install postgresql redis-server")
    rows, wrong, seconds = [], 0, []
    for title, workers, kills in (("1", 1, False), ("2", 2, False), ("2, one killed", 2, True)):
        folder = scratch / title.replace(", ", "-").replace(" ", "-")
        folder.mkdir()
        row, took, bad = _measure(folder, title, workers, kills=kills)
        rows.append(row)
        seconds.append(took)
        wrong += bad
    goals = [
        Goal("organizations lost, published twice or wrong", wrong, 0),
        Goal("one worker's time / that of two", seconds[0] / seconds[1], MIN_RATIO, at_least=True),
    ]
    return Report(f"{ORGANIZATIONS} organizations on several workers", COLUMNS, rows, goals)


def _measure(
    folder: Path, title: str, workers: int, *, kills: bool
) -> tuple[list[str], float, int]:
    """The row, the seconds from the first run to the last, and how many are wrong."""
    organizations = {f"org-{seed:03}": generate(seed, SIZES) for seed in range(ORGANIZATIONS)}
    with deployment(
        folder, organizations, Behavior(latency_seconds=LATENCY_SECONDS), {}
    ) as deployed:
        names = [f"worker-{number}" for number in range(workers)]
        for name in names:
            deployed.start_worker(name)
        deployed.cluster.start_daemon()
        _wait(deployed, 1)
        started = time.monotonic()
        if kills:
            _wait(deployed, ORGANIZATIONS // 2)
            deployed.cluster.kill_worker(names[0])
            deployed.postgres.restart()
            deployed.start_worker("another")
        _wait(deployed, ORGANIZATIONS)
        seconds = time.monotonic() - started
        once = sum(count == 1 for count in deployed.snapshots().values())
        true = ORGANIZATIONS - len(deployed.unlike_truth())
        lost = len(deployed.runs(dg.DagsterRunStatus.FAILURE))
    row = [title, str(ORGANIZATIONS), str(once), str(true), f"{seconds:.0f}", str(lost)]
    return row, seconds, 2 * ORGANIZATIONS - once - true


def _wait(deployed: Deployment, succeeded: int) -> None:
    try:
        wait_until(
            lambda: len(deployed.runs(dg.DagsterRunStatus.SUCCESS)) >= succeeded,
            f"{succeeded} runs succeed",
            TIMEOUT_SECONDS,
        )
    except NotReadyError as error:
        raise BenchmarkError(str(error)) from None
