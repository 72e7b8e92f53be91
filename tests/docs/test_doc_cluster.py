"""What several machines are told to run and to set is there, and says everywhere the same."""

import re
import shlex
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest
from dagster_shared.yaml_utils import load_yaml_from_path

from assets_defs.runs.instance import DAGSTER_HOME_VARIABLE
from pipelines.config.environment import CONFIG_VARIABLE, HOME_VARIABLE, WORK_VARIABLE
from tests.docs.test_doc_deploy import settings_of
from tests.support import ROOT

FOLDER = ROOT / "docs" / "deployment" / "cluster"
PAGE = (ROOT / "docs" / "how-to" / "cluster.md").read_text()
UNITS = sorted(FOLDER.glob("*.service"))
PLACES = {CONFIG_VARIABLE, WORK_VARIABLE, DAGSTER_HOME_VARIABLE}


def at(settings: object, path: str) -> object:
    """What a settings file says there."""
    for name in path.split("."):
        assert isinstance(settings, Mapping)
        settings = settings[name]
    return settings


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_starts_what_is_installed_in_the_directory_that_systemd_makes(unit: Path) -> None:
    said = settings_of(unit)
    program, *words = shlex.split(said["ExecStart"][0])
    assert Path(sys.executable).with_name(Path(program).name).exists()
    module = re.search(r" (?:-m|-A) ([\w.]+)", " ".join(["", *words]))
    assert module
    assert (ROOT / f"{module[1].replace('.', '/')}.py").exists()
    variables = dict(each.split("=", 1) for each in said["Environment"])
    assert variables.keys() == PLACES
    (state,) = said["StateDirectory"]
    assert variables[WORK_VARIABLE] == f"/var/lib/{state}" == said["WorkingDirectory"][0]
    assert variables[DAGSTER_HOME_VARIABLE] == f"/var/lib/{state}/dagster"
    (copied,) = said["ExecStartPre"]
    assert copied.split()[-1] == f"/var/lib/{state}/dagster/dagster.yaml"
    for credential in said.get("LoadCredential", []):
        path = f"/run/credentials/{unit.name}/{credential.partition(':')[0]}"
        assert f'api_key_file = "{path}"' in unit.read_text()


def test_every_variable_that_dagster_reads_is_in_the_environment_of_the_page() -> None:
    wanted = set(re.findall(r"\{env: (\w+)\}", (FOLDER / "dagster.yaml").read_text()))
    assert wanted
    assert {*wanted, HOME_VARIABLE} <= set(re.findall(r"^ +(\w+)=", PAGE, re.MULTILINE))


def test_the_page_names_every_file() -> None:
    for path in FOLDER.iterdir():
        assert f"](../deployment/cluster/{path.name})" in PAGE


def test_the_values_for_kubernetes_say_what_dagster_yaml_says() -> None:
    values = load_yaml_from_path(str(FOLDER / "values.yaml"))
    settings = load_yaml_from_path(str(FOLDER / "dagster.yaml"))
    same = {
        "runLauncher.config.customRunLauncher": "run_launcher",
        "scheduler.config.customScheduler": "scheduler",
        "postgresql.postgresqlScheme": "storage.postgres.postgres_db.scheme",
        "retention.schedule.purgeAfterDays": "retention.schedule.purge_after_days",
    }
    queue = "dagsterDaemon.runCoordinator.config.queuedRunCoordinator"
    camel = {
        queue: ("run_coordinator.config", "concurrency.runs"),
        "dagsterDaemon.runMonitoring": ("run_monitoring",),
        "dagsterDaemon.runRetries": ("run_retries",),
    }
    for theirs, ours in same.items():
        assert at(values, theirs) == at(settings, ours)
    for theirs, ours_of in camel.items():
        expected: dict[str, object] = {}
        for ours in ours_of:
            found = at(settings, ours)
            assert isinstance(found, Mapping)
            expected |= {in_camel_case(name): value for name, value in found.items()}
        assert at(values, theirs) == expected


def in_camel_case(name: str) -> str:
    return re.sub("_(.)", lambda found: found[1].upper(), name)


def test_the_workers_application_is_the_one_that_is_named() -> None:
    launcher = load_yaml_from_path(str(FOLDER / "dagster.yaml"))
    module, name = (at(launcher, f"run_launcher.{each}") for each in ("module", "class"))
    assert hasattr(import_module(str(module)), str(name))
