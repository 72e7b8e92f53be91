"""The deployment files of several machines name existing programs, and agree with each other."""

import re
import shlex
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import pytest
from dagster_shared.yaml_utils import load_yaml_from_path

from pipelines.config.environment import (
    CONFIG_VARIABLE,
    DAGSTER_HOME_VARIABLE,
    HOME_VARIABLE,
    WORK_VARIABLE,
)
from tests.docs.test_doc_deploy import read_unit
from tests.support import ROOT

FOLDER = ROOT / "docs" / "deployment" / "cluster"
PAGE = (ROOT / "docs" / "how-to" / "cluster.md").read_text()
UNITS = sorted(FOLDER.glob("*.service"))
PLACES = {CONFIG_VARIABLE, WORK_VARIABLE, DAGSTER_HOME_VARIABLE}


def get_setting(settings: object, path: str) -> object:
    """Return the value at a dotted path of a settings file."""
    for name in path.split("."):
        assert isinstance(settings, Mapping)
        settings = settings[name]
    return settings


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_unit_starts_an_installed_program(unit: Path) -> None:
    settings = read_unit(unit)
    program, *arguments = shlex.split(settings["ExecStart"][0])
    assert Path(sys.executable).with_name(Path(program).name).exists()
    module = re.search(r" (?:-m|-A) ([\w.]+)", " ".join(["", *arguments]))
    assert module
    assert (ROOT / f"{module[1].replace('.', '/')}.py").exists()
    variables = dict(line.split("=", 1) for line in settings["Environment"])
    assert variables.keys() == PLACES
    (state,) = settings["StateDirectory"]
    assert variables[WORK_VARIABLE] == f"/var/lib/{state}" == settings["WorkingDirectory"][0]
    assert variables[DAGSTER_HOME_VARIABLE] == f"/var/lib/{state}/dagster"
    (copied,) = settings["ExecStartPre"]
    assert copied.split()[-1] == f"/var/lib/{state}/dagster/dagster.yaml"
    for credential in settings.get("LoadCredential", []):
        setting = f'api_key_credential = "{credential.partition(":")[0]}"'
        assert setting in unit.read_text()
        assert setting in PAGE
        assert f"-p LoadCredential={credential}`" in PAGE


def test_page_has_every_variable_of_dagster_yaml() -> None:
    variables = set(re.findall(r"\{env: (\w+)\}", (FOLDER / "dagster.yaml").read_text()))
    assert variables
    assert {*variables, HOME_VARIABLE} <= set(re.findall(r"^ +(\w+)=", PAGE, re.MULTILINE))


def test_page_links_every_file() -> None:
    for path in FOLDER.iterdir():
        assert f"](../deployment/cluster/{path.name})" in PAGE


def test_kubernetes_values_equal_dagster_yaml() -> None:
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
        assert get_setting(values, theirs) == get_setting(settings, ours)
    for theirs, paths in camel.items():
        expected: dict[str, object] = {}
        for ours in paths:
            found = get_setting(settings, ours)
            assert isinstance(found, Mapping)
            expected |= {to_camel_case(name): value for name, value in found.items()}
        assert get_setting(values, theirs) == expected


def to_camel_case(name: str) -> str:
    return re.sub("_(.)", lambda found: found[1].upper(), name)


def test_launcher_of_dagster_yaml_exists() -> None:
    launcher = load_yaml_from_path(str(FOLDER / "dagster.yaml"))
    module, name = (get_setting(launcher, f"run_launcher.{key}") for key in ("module", "class"))
    assert hasattr(import_module(str(module)), str(name))
