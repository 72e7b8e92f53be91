"""The roles of a deployment as docs/how-to/cluster.md has them, each with a working directory."""

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

from benchmarks.cluster.services import Postgres, end_group, process
from benchmarks.missed_ticks import DEFINITIONS

BIN = Path(sys.executable).parent
DAGSTER_YAML = Path(__file__).parents[2] / "docs" / "deployment" / "cluster" / "dagster.yaml"
_NUMBER = r"(?m)^(\s*{}: )\d+"


@dataclass
class Cluster:
    """A daemon and workers that share PostgreSQL and Redis.

    Attributes:
        folder: takes their working directories and logs.
        environment: of every role.
        settings: numbers of `dagster.yaml` that are other than documented.
        workers: the processes of those that were started.
    """

    folder: Path
    environment: Mapping[str, str]
    settings: Mapping[str, int] = field(default_factory=dict)
    workers: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def __enter__(self) -> Self:
        """Nothing runs yet."""
        self._stack = ExitStack()
        return self

    def __exit__(self, *_: object) -> None:
        """End what was started."""
        self._stack.close()

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """What all of them know of the runs; the environment must be this process's own, too."""
        with dg.DagsterInstance.from_config(str(self.home("client") / "dagster")) as instance:
            yield instance

    def start_daemon(self) -> None:
        """Start what hands over the runs, and start it again whenever it ends, as systemd does."""
        command = f"{BIN}/dagster-daemon run -m {DEFINITIONS} --log-level info"
        self._start("daemon", ["sh", "-c", f"while :; do {command}; done"])

    def start_worker(self, name: str) -> None:
        """Start a worker that takes a run at a time."""
        command = [f"{BIN}/celery", "-A", "assets_defs.celery.worker", "worker"]
        command += ["--concurrency", "1", "--hostname", f"{name}@%h", "--loglevel", "info"]
        self.workers[name] = self._start(name, command)

    def kill_worker(self, name: str) -> None:
        """End a worker and the process of its run, without a word."""
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
        """The working directory of a role, as somebody who deploys it leaves it."""
        home = self.folder / name
        if not home.exists():
            (home / "dagster").mkdir(parents=True)
            text = DAGSTER_YAML.read_text()
            for setting, number in self.settings.items():
                text = re.sub(_NUMBER.format(setting), rf"\g<1>{number}", text)
            (home / "dagster" / "dagster.yaml").write_text(text)
        return home


def services(postgres: Postgres, redis_address: str, store_address: str) -> dict[str, str]:
    """What tells the roles where PostgreSQL, Redis and the object store are."""
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
