"""A cluster with failures: each run publishes its organization at most once."""

import threading
from collections import Counter
from pathlib import Path

import dagster as dg

from assets_defs.celery.launcher import LOST
from assets_defs.partitions import PARTITION_TAG
from assets_defs.runs.failures import failure_message
from pipelines.simulator import Behavior, Sizes, generate
from pipelines.simulator.api.behavior import Call
from tests.support.cluster.deployment import Deployment, deployment
from tests.support.cluster.services import wait_until
from tests.support.needs import NEEDS_SERVICES

TINY = Sizes(systems=4, users=3, system_groups=2, user_groups=1, applications=2)
NAMES = [f"org-{number:02}" for number in range(7)]
SEEN = 3
DONE = 5
# Not a limit on the speed: it only ends a wait that would never end.
PATIENCE_SECONDS = 240


class Gate:
    """A gate for calls: it holds all but those of the first organizations until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        self._seen: set[str] = set()

    def __call__(self, _: int, call: Call) -> None:
        self._seen.add(call.headers.get("x-org-id", ""))
        if len(self._seen) > SEEN:
            self.reached.set()
            self.opened.wait(PATIENCE_SECONDS)


def wait_for(number: int, status: dg.DagsterRunStatus, deployed: Deployment, what: str) -> None:
    """Wait until a number of runs have a status."""
    wait_until(lambda: len(deployed.runs(status)) >= number, what, PATIENCE_SECONDS)


@NEEDS_SERVICES
def test_each_organization_is_published_despite_failures(
    fast_tmp_path: Path,
) -> None:
    gate = Gate()
    organizations = {name: generate(seed, TINY) for seed, name in enumerate(NAMES)}
    numbers = {"poll_interval_seconds": 2, "max_concurrent_runs": 4}
    with deployment(fast_tmp_path, organizations, Behavior(on_call=gate), numbers) as deployed:
        for name in ("first", "second"):
            deployed.start_worker(name)
        deployed.cluster.start_daemon()

        assert gate.reached.wait(PATIENCE_SECONDS)
        wait_for(2, dg.DagsterRunStatus.STARTED, deployed, "both workers have a run")
        deployed.cluster.kill_worker("first")
        gate.opened.set()
        deployed.start_worker("third")
        wait_for(DONE, dg.DagsterRunStatus.SUCCESS, deployed, "runs go on without a worker")
        deployed.postgres.restart()
        wait_for(len(NAMES), dg.DagsterRunStatus.SUCCESS, deployed, "all runs succeed")

        done = deployed.runs(dg.DagsterRunStatus.SUCCESS)
        assert Counter(run.tags[PARTITION_TAG] for run in done) == dict.fromkeys(NAMES, 1)
        failed = deployed.runs(dg.DagsterRunStatus.FAILURE)
        causes = {run.run_id: failure_message(deployed.instance, run, Path()) for run in failed}
        assert sum(LOST in cause for cause in causes.values()) == 1
        # Each failed run was retried.
        assert {run.tags["dagster/auto_retry_run_id"] for run in failed} <= {
            run.run_id for run in (*done, *failed)
        }
        published = deployed.publishing_runs()
        assert len(published) == len(dict(published))
        # A run that is killed or interrupted after its publication fails too, and is tried again.
        may_publish = {run.run_id: run.tags[PARTITION_TAG] for run in (*done, *failed)}
        must_publish = {run.run_id: run.tags[PARTITION_TAG] for run in done}
        assert must_publish.items() <= set(published) <= may_publish.items()
        assert deployed.differing_integrations() == []
