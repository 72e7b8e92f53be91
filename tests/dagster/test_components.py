"""The component in a project of somebody else, as `create-dagster` lays it out."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from pydantic import ValidationError

from assets_defs.asset_keys import AssetKeys
from assets_defs.components import JumpCloudInventoryComponent
from assets_defs.definitions import build_definitions
from assets_defs.runs.ownership import OwnRuns
from pipelines.errors import SettingsError
from pipelines.simulator import Server, Sizes, generate
from pipelines.workspace import Workspace

NAME = "assets_defs.components.JumpCloudInventoryComponent"
FILES = {
    "pyproject.toml": '[tool.dg]\ndirectory_type = "project"\n'
    '[tool.dg.project]\nroot_module = "their_project"\n',
    "src/their_project/__init__.py": "",
    "src/their_project/defs/__init__.py": "",
    "src/their_project/defs/report.py": """
import dagster as dg

@dg.asset(
    deps=[dg.AssetKey(["security", "inventory", "publication"])],
    automation_condition=dg.AutomationCondition.eager(),
)
def report() -> None: ...

@dg.asset(
    deps=[dg.AssetKey(["security", "inventory", "publication"])],
    automation_condition=dg.AutomationCondition.on_cron("0 6 * * *"),
)
def morning_report() -> None: ...

@dg.asset
def tables() -> None: ...
""",
}
SCAFFOLDED = f"""type: {NAME}

attributes:
  data_dir: data
  integration:
    - name: jumpcloud
      api_key: '{{{{ env.JUMPCLOUD_API_KEY }}}}'
"""
KEYS = AssetKeys(("security",))
SYSTEMS = KEYS.raw("systems")
# What Dagster's own loader of components uses.
pytestmark = [
    pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated"),
    pytest.mark.filterwarnings("ignore:Parameter .* is currently in beta"),
]
ORGANIZATION = generate(
    sizes=Sizes(systems=2, users=2, system_groups=1, user_groups=1, applications=1)
)
PARTITIONS = "security_jumpcloud_inventory_integrations"
VARIABLE = "THEIR_JUMPCLOUD_KEY"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project to which `dg scaffold` has added the component."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    subprocess.run(
        [Path(sys.executable).with_name("dg"), "scaffold", "defs", NAME, "inventory"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": "src", "DG_CLI_CONFIG": str(folder / "dg.toml")},
        check=True,
        capture_output=True,
        timeout=120,
    )
    return folder


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(ORGANIZATION) as server:
        yield server


@pytest.fixture(scope="module")
def defs(project: Path, server: Server) -> Iterator[dg.Definitions]:
    """Return the definitions of the project, with everything that can be overridden."""
    file = project / "src" / "their_project" / "defs" / "inventory" / "defs.yaml"
    assert file.read_text() == SCAFFOLDED
    attributes = {
        "data_dir": "data",
        "asset_key_prefix": ["security"],
        "schedule": {"cron": "0 6 * * *", "timezone": "Europe/Berlin"},
        "keep_snapshots": {"all_for_days": 30},
        "integration": [
            {"name": "acme", "api_key": f"{{{{ env.{VARIABLE} }}}}", "base_url": server.base_url},
            {"name": "globex", "enabled": False, "schedule": {"cron": "0 7 * * *"}},
        ],
    }
    post_processing = {
        "assets": [
            {"target": "*", "attributes": {"group_name": "devices"}},
            {
                "target": 'key:"security/jumpcloud/*" or key:"security/inventory/*"',
                "attributes": {"automation_condition": "{{ automation_condition.eager() }}"},
            },
            {
                "target": 'key:"security/jumpcloud/systems"',
                "attributes": {
                    "automation_condition": "{{ automation_condition.on_cron('0 6 * * *') }}"
                },
            },
        ]
    }
    document = {"type": NAME, "attributes": attributes, "post_processing": post_processing}
    file.write_text(json.dumps(document))  # which is YAML too
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.syspath_prepend(project / "src")
        monkeypatch.setenv(VARIABLE, ORGANIZATION.api_key)
        yield dg.load_from_defs_folder(path_within_project=file)


def test_names_have_prefix_and_attributes_are_overridden(defs: dg.Definitions) -> None:
    ours = [spec for spec in defs.resolve_all_asset_specs() if spec.key.path[0] == "security"]
    assert KEYS.refreshed < {spec.key for spec in ours}
    assert {spec.group_name for spec in ours} == {"devices"}
    eager = dg.AutomationCondition.eager()
    assert {spec.key for spec in ours if spec.automation_condition != eager} == {SYSTEMS}
    repository = defs.get_repository_def()
    assert "security_refresh_inventory" in repository.job_names
    sensors = {sensor.name: sensor.default_status.value for sensor in repository.sensor_defs}
    assert sensors == {
        "security_refresh_due_integrations": "STOPPED",
        "security_integrations_of_settings": "STOPPED",
        "security_alert_on_failure": "STOPPED",
        "security_alert_on_success": "STOPPED",
        "security_alert_on_late": "STOPPED",
        "security_forget_old_runs": "STOPPED",
        "default_automation_condition_sensor": "STOPPED",
    }


def test_automated_assets_run_and_the_key_is_in_no_record(
    defs: dg.Definitions, project: Path, fast_tmp_path: Path
) -> None:
    theirs, raw = dg.AssetKey("report"), KEYS.raw("organizations")
    daily = dg.AssetKey("morning_report")

    def evaluate(
        hour: int, minute: int, cursor: AssetDaemonCursor | None = None
    ) -> dg.EvaluateAutomationConditionsResult:
        return dg.evaluate_automation_conditions(
            defs,
            instance,
            dg.AssetSelection.assets(raw, theirs, SYSTEMS, daily),
            datetime(2026, 1, 1, hour, minute, tzinfo=UTC),
            cursor,
        )

    with dg.DagsterInstance.local_temp(str(fast_tmp_path)) as instance:
        first = evaluate(5, 50)
        instance.add_dynamic_partitions(PARTITIONS, ["later"])
        # A new integration is due; their asset waits for its first publication.
        requested = evaluate(5, 55, first.cursor)
        assert requested.get_requested_partitions(raw) == {"later"}
        assert requested.get_num_requested(theirs) == 0
        assert requested.get_num_requested(SYSTEMS) == 0
        # At six o'clock, theirs waits for a publication, too.
        requested = evaluate(6, 1, requested.cursor)
        assert requested.get_requested_partitions(SYSTEMS) == {"later"}
        assert requested.get_num_requested(daily) == 0

        # The integration is new to Dagster.
        run = defs.resolve_job_def("security_refresh_inventory").execute_in_process(
            partition_key="acme", instance=instance
        )
        assert run.success
        assert (project / "data" / "inventory.duckdb").exists()
        assert {one.asset_key for one in run.get_asset_materialization_events()} == {
            *KEYS.refreshed,
            KEYS.publication,
            KEYS.table("status"),
        }
        assert OwnRuns(instance, KEYS).includes(run.dagster_run)
        assert not OwnRuns(instance, AssetKeys()).includes(run.dagster_run)
        assert set(instance.get_dynamic_partitions(PARTITIONS)) == {"acme", "later"}
        # Other integrations have no run yet.
        after = evaluate(6, 5, requested.cursor)
        assert after.get_num_requested(theirs) == 1
        assert after.get_num_requested(daily) == 1
        records = "".join(map(str, instance.all_logs(run.run_id)))
    key = ORGANIZATION.api_key
    assert VARIABLE in str(JumpCloudInventoryComponent.resolve_from_yaml(attributes(VARIABLE)))
    assert key not in records
    assert all(key not in path.read_text(errors="replace") for path in files(fast_tmp_path))
    assert all(key not in str((s.metadata, s.description)) for s in defs.resolve_all_asset_specs())


def attributes(variable: str) -> str:
    return f"""
schedule: null
integration:
  - name: acme
    api_key: "{{{{ env.{variable} }}}}"
"""


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jca_0123456789abcdef0123", "api_key is not a variable of the environment"),
        ('{{ env.A }}"\n    api_key_file: "/k', "more than one key"),
        ('{{ env.A }}"\n    region: "xx', "field 'region': Input should be 'us'"),
    ],
)
def test_wrong_attribute_is_explained_without_its_value(text: str, message: str) -> None:
    yaml_text = f'integration:\n  - name: acme\n    api_key: "{text}"\n'
    with pytest.raises(SettingsError, match=message) as raised:
        JumpCloudInventoryComponent.resolve_from_yaml(yaml_text)
    assert str(raised.value).startswith("defs.yaml: ")
    assert "jca_" not in str(raised.value)


@pytest.mark.parametrize("part", ["a.b", "a/b", "büro", ""])
def test_prefix_that_dagster_refuses_is_named(part: str) -> None:
    with pytest.raises(ValidationError, match=r"asset_key_prefix\.0"):
        JumpCloudInventoryComponent.resolve_from_yaml(
            f"asset_key_prefix: ['{part}']\n{attributes(VARIABLE)}"
        )


def test_inventories_with_different_prefixes_share_a_project(tmp_path: Path) -> None:
    own = dg.Definitions(
        executor=dg.multiprocess_executor, loggers={"console": dg.json_console_logger}
    )
    merged = dg.Definitions.merge(
        build_definitions(Workspace(tmp_path / "a")),
        build_definitions(Workspace(tmp_path / "b", prefix=("b",))),
        own,
    )
    dg.Definitions.validate_loadable(merged)
    assert {"refresh_inventory", "b_refresh_inventory"} <= {*merged.get_repository_def().job_names}
