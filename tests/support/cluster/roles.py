"""The roles of a deployment as in docs/how-to/cluster.md, each with a working directory."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import dagster as dg

from assets_defs.runs.foreground import DEFINITIONS
from assets_defs.runs.instance import open_home
from tests.support import ROOT
from tests.support.cluster.services import Postgres, end_group, process

BIN = Path(sys.executable).parent
DAGSTER_YAML = ROOT / "docs" / "deployment" / "cluster" / "dagster.yaml"
_NUMBER = r"(?m)^(\s*{}: )\d+"


@dataclass
class Cluster:
    """A daemon and workers that share PostgreSQL and Redis.

    Attributes:
        folder: Parent of the working directories and logs.
        environment: Variables of every role.
        settings: Numbers of `dagster.yaml` that differ from the documented ones.
        workers: Processes of the started workers.
    """

    folder: Path
    environment: Mapping[str, str]
    settings: Mapping[str, int] = field(default_factory=dict)
    workers: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Start nothing yet."""
        self._stack = ExitStack()
        return self

    def __exit__(self, *_: object) -> None:
        """End the started processes."""
        self._stack.close()

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """Open the instance that all roles share; needs their environment in this process."""
        with open_home(self.home("client") / "dagster") as instance:
            yield instance

    def start_daemon(self) -> None:
        """Start the daemon, and restart it whenever it ends, as systemd does."""
        command = f"{BIN}/dagster-daemon run -m {DEFINITIONS} --log-level info"
        self._start("daemon", ["sh", "-c", f"while :; do {command}; done"])

    def start_worker(self, name: str) -> None:
        """Start a worker that takes one run at a time."""
        command = [f"{BIN}/celery", "-A", "assets_defs.celery.worker", "worker"]
        command += ["--concurrency", "1", "--hostname", f"{name}@%h", "--loglevel", "info"]
        self.workers[name] = self._start(name, command)

    def kill_worker(self, name: str) -> None:
        """Kill a worker and the process of its run."""
        end_group(self.workers[name])

    def _start(self, name: str, command: list[str]) -> "subprocess.Popen[bytes]":
        return self._stack.enter_context(
            process(
                command,
                self._environment(name),
                self.home(name),
                self.folder / f"{name}.log",
            )
        )

    def _environment(self, name: str) -> dict[str, str]:
        home = self.home(name)
        own = {"JUMPCLOUD_INVENTORY_WORK": str(home), "DAGSTER_HOME": str(home / "dagster")}
        return {"PATH": os.environ["PATH"], "TZ": "UTC", **self.environment, **own}

    def home(self, name: str) -> Path:
        """Return the working directory of a role, created on first use."""
        home = self.folder / name
        if not home.exists():
            (home / "dagster").mkdir(parents=True)
            text = DAGSTER_YAML.read_text()
            for setting, number in self.settings.items():
                text = re.sub(_NUMBER.format(setting), rf"\g<1>{number}", text)
            (home / "dagster" / "dagster.yaml").write_text(text)
        return home


def services(postgres: Postgres, redis_address: str, store_address: str) -> dict[str, str]:
    """Return the variables with the addresses of PostgreSQL, Redis and the object store."""
    return {
        "DAGSTER_POSTGRES_HOST": "127.0.0.1",
        "DAGSTER_POSTGRES_PORT": str(postgres.port),
        "DAGSTER_POSTGRES_PASSWORD": postgres.password,
        "DAGSTER_CELERY_BROKER": f"{redis_address}/0",
        "DAGSTER_CELERY_BACKEND": f"{redis_address}/1",
        "JUMPCLOUD_INVENTORY_THROTTLE": f"{redis_address}/2",
        "AWS_ENDPOINT_URL": store_address,
        "AWS_ALLOW_HTTP": "true",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "simulated",
        "AWS_SECRET_ACCESS_KEY": "simulated",
    }
