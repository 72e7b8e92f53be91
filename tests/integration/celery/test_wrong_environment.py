"""Programs with a wrong environment: they name the cause, without a traceback or a secret."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cluster.roles import DAGSTER_YAML
from tests.support.cluster.services import postgres
from tests.support.needs import NEEDS_SERVICES

STATUS = ("jumpcloud-inventory", "status")
WORKER = ("celery", "-A", "assets_defs.celery.worker", "worker")
SECRET = "not-this-one"
Start = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def start(fast_tmp_path: Path) -> Start:
    """Return a function that runs a program of `docs/how-to/cluster.md`.

    Its environment can be changed; "" removes a variable.
    """
    (fast_tmp_path / "dagster").mkdir()
    (fast_tmp_path / "dagster" / "dagster.yaml").write_text(DAGSTER_YAML.read_text())
    usual = {
        "JUMPCLOUD_INVENTORY_HOME": str(fast_tmp_path),
        "JUMPCLOUD_API_KEY": "key",
        "DAGSTER_POSTGRES_HOST": "127.0.0.1",
        "DAGSTER_POSTGRES_PORT": "1",
        "DAGSTER_POSTGRES_PASSWORD": SECRET,
        "DAGSTER_CELERY_BROKER": f"redis://:{SECRET}@127.0.0.1:1/0",
        "DAGSTER_CELERY_BACKEND": f"redis://:{SECRET}@127.0.0.1:1/1",
    }

    def run(command: tuple[str, ...], **environment: str) -> "subprocess.CompletedProcess[str]":
        program, *arguments = command
        return subprocess.run(
            [Path(sys.executable).with_name(program), *arguments],
            env={name: value for name, value in (usual | environment).items() if value},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    return run


@pytest.mark.parametrize(
    ("command", "variable"),
    [
        (STATUS, "DAGSTER_POSTGRES_PASSWORD"),
        (WORKER, "DAGSTER_POSTGRES_PASSWORD"),
        (WORKER, "DAGSTER_CELERY_BROKER"),
    ],
)
def test_missing_variable_is_named(start: Start, command: tuple[str, ...], variable: str) -> None:
    done = start(command, **{variable: ""})
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert f"dagster.yaml names {variable}, which this process does not have" in line
    assert SECRET not in line


def test_worker_without_postgresql_does_not_start(start: Start) -> None:
    done = start(WORKER)
    assert_postgresql_error(done)
    assert "port 1 failed" in done.stderr.splitlines()[-1]


@NEEDS_SERVICES
def test_wrong_postgresql_password_is_named(start: Start) -> None:
    with postgres() as database:
        done = start(STATUS, DAGSTER_POSTGRES_PORT=str(database.port))
    assert_postgresql_error(done)
    assert "password authentication failed" in done.stderr.splitlines()[-1]


def assert_postgresql_error(done: "subprocess.CompletedProcess[str]") -> None:
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "Error: PostgreSQL cannot be reached (connection"
    )
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr


@NEEDS_SERVICES
def test_worker_without_settings_does_not_start(start: Start) -> None:
    with postgres() as database:
        done = start(
            WORKER,
            DAGSTER_POSTGRES_PORT=str(database.port),
            DAGSTER_POSTGRES_PASSWORD=database.password,
            JUMPCLOUD_INVENTORY_CONFIG="/missing/integrations.toml",
        )
    assert done.returncode == 2
    assert "/missing/integrations.toml: cannot be read" in done.stderr.splitlines()[-1]
