"""What Dagster loads: assets with their meaning, a job, and schedules that run by default."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

from pipelines.contract import TABLES
from pipelines.extract.endpoints import ENDPOINTS

ROOT = Path(__file__).parent.parent
SETTINGS = """
[[integration]]
name = "acme"
api_key_env = "ACME_KEY"
[[integration]]
name = "acme-two"
enabled = false
[[integration]]
name = "acme_two"
[[integration]]
name = "keyless"
api_key_env = "NOT_SET_KEY"
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("definitions")
    (folder / "integrations.toml").write_text(SETTINGS)
    return {
        "JUMPCLOUD_INVENTORY_CONFIG": str(folder / "integrations.toml"),
        "JUMPCLOUD_INVENTORY_HOME": str(folder / "data"),
        "ACME_KEY": "jca_key",
    }


@pytest.fixture(scope="module")
def automation(environment: dict[str, str]) -> Iterator[ModuleType]:
    """The module as it is loaded with these settings; other tests load none of it."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield import_module("assets_defs.automation")


@pytest.fixture(scope="module")
def definitions(automation: ModuleType) -> dg.Definitions:
    defs = import_module(f"{automation.__package__}.definitions").defs
    assert isinstance(defs, dg.Definitions)
    return defs


def test_every_endpoint_and_every_table_is_an_asset(definitions: dg.Definitions) -> None:
    keys = {tuple(key.path) for key in definitions.resolve_all_asset_keys()}
    assert keys == (
        {("jumpcloud", name) for name in [*ENDPOINTS, "completeness", "pulls"]}
        | {("inventory", name) for name in [*TABLES, "inventory_duckdb"]}
    )


def test_every_asset_explains_itself(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.group_name in {"jumpcloud", "inventory", "publication"}, spec.key
        assert spec.kinds, spec.key
        assert spec.owners, spec.key
        assert spec.partitions_def, spec.key


def test_the_column_schema_is_the_contract(definitions: dg.Definitions) -> None:
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    for table in TABLES.values():
        schema = specs[dg.AssetKey(["inventory", table.name])].metadata["dagster/column_schema"]
        assert [(c.name, c.type, c.description) for c in schema.columns] == [
            (c.name, c.type, c.description) for c in table.published_columns
        ]


def test_each_integration_has_a_running_schedule_at_its_own_minute(automation: ModuleType) -> None:
    schedules = {each.name: each for each in automation.SCHEDULES}
    assert len(schedules) == 4
    assert all(each.default_status.value == "RUNNING" for each in schedules.values())
    crons = {each.cron_schedule for each in schedules.values()}
    assert len(crons) > 1
    assert all(cron.endswith(" */12 * * *") for cron in crons)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("acme", ""),
        ("acme-two", "integration 'acme-two' is disabled in the settings"),
        ("keyless", "NOT_SET_KEY is not set"),
    ],
)
def test_a_tick_requests_a_run_or_says_why_not(
    name: str, reason: str, automation: ModuleType, definitions: dg.Definitions
) -> None:
    wanted = automation.schedule_name(name)
    (schedule,) = [each for each in automation.SCHEDULES if each.name == wanted]
    with dg.DagsterInstance.ephemeral() as instance:
        tick = datetime(2026, 1, 1, 12, tzinfo=UTC)
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=tick,
            repository_def=definitions.get_repository_def(),
        )
        data = schedule.evaluate_tick(context)
    if reason:
        assert reason in str(data.skip_message)
        assert data.run_requests == []
    else:
        (request,) = data.run_requests or []
        assert (request.partition_key, request.run_key) == (name, f"{name}:{tick.isoformat()}")


def test_dagster_accepts_the_workspace(environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        env=os.environ | environment | {"DAGSTER_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
