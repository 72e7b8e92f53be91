"""A run that Dagster ended while its process continues."""

import subprocess
import threading
from pathlib import Path

from assets_defs.runs.instance import open_home
from pipelines.simulator import Behavior, Server, Sizes, generate
from tests.support.cli import COMMAND, Installation

TINY = Sizes(systems=3, users=2, system_groups=1, user_groups=1, applications=1)
PATIENCE_SECONDS = 120


def test_run_ended_from_outside_publishes_nothing(installation: Installation) -> None:
    organization = generate(1, TINY)
    called, released = threading.Event(), threading.Event()

    def hold(*_: object) -> None:
        called.set()
        released.wait(PATIENCE_SECONDS)

    with Server(organization, behavior=Behavior(on_call=hold)) as server:
        installation.set_integrations(acme=server)
        environment = installation.environment | {"ACME_KEY": organization.api_key}
        with subprocess.Popen(
            [COMMAND, "run"],
            cwd=installation.folder,
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert called.wait(PATIENCE_SECONDS)
            fail_run(installation.data / "dagster")
            released.set()
            _, output = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert "acme: this run was ended from outside (failure)" in output
    assert not installation.file.exists()
    assert not list((installation.data / "history").rglob("*.*"))


def fail_run(dagster_home: Path) -> None:
    """Fail the run, as run monitoring does when the worker of a run is gone."""
    with open_home(dagster_home) as instance:
        (run,) = instance.get_runs()
        instance.report_run_failed(run)
