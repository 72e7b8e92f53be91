"""The definitions that Dagster loads: assets, a job, schedules and sensors."""

import logging
import shutil
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus

from assets_defs.asset_keys import AssetKeys
from assets_defs.assets.specs import PERSONAL
from assets_defs.definitions import build_definitions, defs
from assets_defs.partitions import NAME, PARTITION_TAG
from assets_defs.runs import stale
from assets_defs.runs.ownership import OwnRuns
from assets_defs.schedules import request_runs
from pipelines.errors import InventoryError
from pipelines.findings.catalog import FINDINGS
from pipelines.jumpcloud.endpoints import ENDPOINTS
from pipelines.schema.tables import INVENTORY_TABLES, RUN_TABLES
from pipelines.simulator import Fault, Provider, Server, Sizes, generate
from pipelines.storage.locks import locked
from pipelines.workspace import Workspace
from tests.support import ROOT
from tests.support.missed_ticks import switch_former_schedule_off, switch_sensor

LOG = logging.getLogger("ticks")
STARTED = dg.DagsterRunStatus.STARTED
OTHERS = ("access_differences", "completeness", "pulls")
SETTINGS = """
[[integration]]
name = "acme"
api_key_env = "ACME_KEY"
[[integration]]
name = "acme-two"
enabled = false
[[integration]]
name = "acme_two"
enabled = false
[[integration]]
name = "keyless"
api_key_env = "NOT_SET_KEY"
[[integration]]
name = "weekday"
api_key_env = "ACME_KEY"
schedule = { cron = "30 6 * * 1-5", timezone = "Europe/Berlin" }
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
def workspace(environment: dict[str, str]) -> Workspace:
    return Workspace.from_environment(environment)


@pytest.fixture(scope="module")
def definitions(workspace: Workspace) -> dg.Definitions:
    return build_definitions(workspace)


def test_every_endpoint_and_table_is_an_asset(definitions: dg.Definitions) -> None:
    keys = {tuple(key.path) for key in definitions.resolve_all_asset_keys()}
    assert keys == (
        {("jumpcloud", name) for name in (*ENDPOINTS, *OTHERS)}
        | {("inventory", table.name) for table in (*INVENTORY_TABLES, *RUN_TABLES)}
        | {("inventory", "inventory_duckdb"), ("inventory", "findings")}
        | {("inventory", "publication"), ("inventory", "status")}
    )


def test_every_asset_has_description_group_and_owner(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.description, spec.key
        assert spec.group_name in {"jumpcloud", "inventory", "published"}, spec.key
        assert spec.kinds, spec.key
        assert spec.owners, spec.key
        if spec.key.path[-1] in {"publication", "status"}:
            continue  # one for all integrations, reported by each run
        assert spec.partitions_def, spec.key


def test_published_assets_have_freshness_policy(
    definitions: dg.Definitions,
) -> None:
    policy = dg.FreshnessPolicy.time_window(
        warn_window=timedelta(hours=13), fail_window=timedelta(hours=25)
    )
    for spec in definitions.resolve_all_asset_specs():
        is_kept_fresh = spec.group_name == "published" and spec.key.path[-1] != "status"
        expected = policy if is_kept_fresh else None
        assert spec.freshness_policy == expected, spec.key


def test_asset_columns_match_the_contract(definitions: dg.Definitions) -> None:
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    for table in (*INVENTORY_TABLES, *RUN_TABLES):
        schema = specs[dg.AssetKey(["inventory", table.name])].metadata["dagster/column_schema"]
        assert [(c.name, c.type, c.description) for c in schema.columns] == [
            (c.name, c.type, c.description) for c in table.published_columns
        ]


def test_columns_show_keys_references_and_personal_data(definitions: dg.Definitions) -> None:
    specs = {"/".join(spec.key.path): spec for spec in definitions.resolve_all_asset_specs()}

    def column(asset: str, name: str) -> dg.TableColumn:
        schema: dg.TableSchema = specs[asset].metadata["dagster/column_schema"]
        return next(one for one in schema.columns if one.name == name)

    bound = column("inventory/system_group_users", "user_id")
    assert not bound.constraints.nullable
    assert bound.constraints.other == ["refers to users"]
    assert column("inventory/users", "email").constraints.nullable
    assert column("inventory/integrations", "integration").constraints.unique
    for asset, name in [
        ("inventory/users", "email"),
        ("inventory/system_group_users", "user_id"),  # refers to a personal key
        ("jumpcloud/systemusers", "email"),
        ("jumpcloud/systems_associations", "to"),  # read instead of users_associations
    ]:
        assert column(asset, name).tags == PERSONAL, asset
        assert PERSONAL.items() <= specs[asset].tags.items(), asset
    assert not column("jumpcloud/systems", "os").tags
    assert column("jumpcloud/systems", "os").description == (
        "`systems.os`: Operating system, as named by JumpCloud"
    )
    for asset in ("inventory/applications", "jumpcloud/applications", "inventory/policies"):
        assert not PERSONAL.keys() & specs[asset].tags.keys(), asset


def test_each_column_of_the_file_comes_from_a_column_of_an_asset(
    definitions: dg.Definitions,
) -> None:
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    file = specs[dg.AssetKey(["inventory", "inventory_duckdb"])]
    assert PERSONAL.items() <= file.tags.items()
    lineage = file.metadata["dagster/column_lineage"].deps_by_column
    assert {"systems.hostname", "changes.old_value"} < lineage.keys()
    for (source,) in lineage.values():
        columns = specs[source.asset_key].metadata["dagster/column_schema"].columns
        assert source.column_name in {column.name for column in columns}


def test_only_findings_have_checks_of_findings(definitions: dg.Definitions) -> None:
    names = {finding.name for finding in FINDINGS}
    checks = definitions.resolve_asset_graph().asset_check_keys
    assert {check.asset_key.path[-1] for check in checks if check.name in names} == {"findings"}
    assert {check.name for check in checks if check.asset_key.path[-1] == "findings"} == names


def test_sensor_replaces_schedules(definitions: dg.Definitions) -> None:
    sensor = definitions.get_repository_def().get_sensor_def("refresh_due_integrations")
    assert sensor.minimum_interval_seconds == 30
    assert not definitions.get_repository_def().schedule_defs


def test_tick_requests_due_runs_and_logs_skipped_ones(
    workspace: Workspace,
    fast_tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tick = datetime(2026, 1, 1, 12, 17, tzinfo=UTC)
    caplog.set_level(logging.INFO, LOG.name)
    with dg.DagsterInstance.local_temp(str(fast_tmp_path)) as instance:
        data = evaluated(tick, instance, workspace)
        requests = [(each.partition_key, each.run_key) for each in data.run_requests or []]
        # An integration without its key runs too: `status` and the alerts report the failure.
        assert requests == [(name, f"{name}:{tick.isoformat()}") for name in ("acme", "keyless")]
        assert "acme-two: disabled in the settings" in caplog.text

        instance.add_run(
            dg.DagsterRun(
                job_name="__ASSET_JOB",  # as started from the asset graph
                asset_selection={AssetKeys().inventory_duckdb},
                tags={PARTITION_TAG: "acme"},
                status=dg.DagsterRunStatus.STARTED,
            )
        )
        later = evaluated(tick, instance, workspace)
        assert [each.partition_key for each in later.run_requests or []] == ["keyless"]
        assert "acme: its last run is still in progress" in caplog.text


def test_tick_ends_killed_run_and_requests_another(
    workspace: Workspace,
    fast_tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stale, "STARTUP_GRACE", timedelta(0))
    tick = datetime(2026, 1, 1, 12, 17, tzinfo=UTC)
    with dg.DagsterInstance.local_temp(str(fast_tmp_path)) as instance:
        instance.add_run(
            dg.DagsterRun(
                job_name="refresh_inventory",
                tags={PARTITION_TAG: "acme"},
                status=dg.DagsterRunStatus.STARTED,
            )
        )
        theirs = dg.DagsterRun("nightly", tags={PARTITION_TAG: "acme"}, status=STARTED)
        instance.add_run(theirs)
        with locked(workspace.run_lock("acme")):
            data = evaluated(tick, instance, workspace)
            assert "acme" not in {each.partition_key for each in data.run_requests or []}
        data = evaluated(tick, instance, workspace)
        assert "acme" in {each.partition_key for each in data.run_requests or []}
        assert [(each.job_name, each.status) for each in instance.get_runs()] == [
            ("nightly", STARTED),
            ("refresh_inventory", dg.DagsterRunStatus.FAILURE),
        ]
        assert instance.get_run_by_id(theirs.run_id) == theirs


def test_interrupted_tick_requests_its_own_runs_again(
    workspace: Workspace, fast_tmp_path: Path
) -> None:
    tick = datetime(2026, 1, 1, 12, 17, tzinfo=UTC)
    with dg.DagsterInstance.local_temp(str(fast_tmp_path)) as instance:
        for name, hour in (("acme", 12), ("keyless", 0)):
            of_tick = f"{name}:{tick.replace(hour=hour).isoformat()}"
            tags = {PARTITION_TAG: name, "dagster/run_key": of_tick}
            instance.add_run(dg.DagsterRun(job_name="refresh_inventory", tags=tags))
        data = evaluated(tick, instance, workspace)
        assert [each.partition_key for each in data.run_requests or []] == ["acme"]


def test_tick_keeps_run_of_another_machine(
    workspace: Workspace,
    fast_tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stale, "STARTUP_GRACE", timedelta(0))
    tick = datetime(2026, 1, 1, 12, 17, tzinfo=UTC)
    launcher = {
        "module": "assets_defs.celery.launcher",
        "class": "WatchingCeleryRunLauncher",
        "config": {"broker": "redis://127.0.0.1:1/0", "backend": "redis://127.0.0.1:1/1"},
    }
    with dg.DagsterInstance.local_temp(
        str(fast_tmp_path), overrides={"run_launcher": launcher}
    ) as instance:
        instance.add_run(
            dg.DagsterRun(
                job_name="refresh_inventory",
                tags={PARTITION_TAG: "acme"},
                status=dg.DagsterRunStatus.STARTED,
            )
        )
        data = evaluated(tick, instance, workspace)
        assert "acme" not in {each.partition_key for each in data.run_requests or []}
        assert [each.status for each in instance.get_runs()] == [dg.DagsterRunStatus.STARTED]
        own = OwnRuns(instance, AssetKeys())
        with pytest.raises(
            InventoryError, match="a run of integration 'acme' is already in progress"
        ):
            stale.require_no_remote_run(own, "acme")
        stale.require_no_remote_run(own, "keyless")


def test_change_of_the_settings_is_due_without_reload(
    fast_tmp_path: Path,
) -> None:
    tick = datetime(2026, 1, 1, 12, 17, tzinfo=UTC)
    settings = fast_tmp_path / "integrations.toml"
    workspace = Workspace(fast_tmp_path / "data", config=settings)
    with dg.DagsterInstance.local_temp(str(fast_tmp_path)) as instance:

        def keys(cron: str, hours: int) -> list[str | None]:
            settings.write_text(
                f'[[integration]]\nname = "acme"\nschedule = {{ cron = "{cron}" }}\n'
            )
            result = evaluated(tick, instance, workspace, seconds=hours * 3600)
            return [one.run_key for one in result.run_requests or []]

        assert keys("0 6 * * *", hours=1) == []
        # Of the three ticks that were missed, only the last one runs.
        assert keys("0 6 * * *", hours=72) == ["acme:2026-01-01T06:00:00+00:00"]
        assert keys("16 12 * * *", hours=1) == ["acme:2026-01-01T12:16:00+00:00"]
        # Dagster runs on odd days, and on Mondays: this day is the former, and not the latter.
        assert keys("0 12 */2 * 1", hours=1) == ["acme:2026-01-01T12:00:00+00:00"]
        settings.write_text("[[integration")
        with pytest.raises(dg.Failure, match=r"integrations\.toml"):
            evaluated(tick, instance, workspace, seconds=3600)


def test_former_schedule_stays_off_until_sensor_is_switched(
    workspace: Workspace, fast_tmp_path: Path
) -> None:
    tick = datetime(2026, 1, 1, 12, 17, tzinfo=UTC)
    with dg.DagsterInstance.local_temp(str(fast_tmp_path)) as instance:
        switch_sensor(instance, InstigatorStatus.DECLARED_IN_CODE)
        switch_former_schedule_off(instance, "refresh_every_12_hours", "17 */12 * * *")
        switch_former_schedule_off(instance, "refresh_30_6_x_x_1_5_Europe_Berlin", "30 6 * * 1-5")
        for at in (tick, datetime(2026, 1, 1, 5, 30, tzinfo=UTC)):
            result = evaluated(at, instance, workspace)
            assert not result.run_requests
            assert "switch refresh_due_integrations off and on" in str(result.skip_reason)
        switch_sensor(instance, InstigatorStatus.RUNNING)
        result = evaluated(tick, instance, workspace)
        assert [one.partition_key for one in result.run_requests or []] == ["acme", "keyless"]


def test_tick_discovers_organizations_of_provider(
    fast_tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = Sizes(systems=1, users=1, system_groups=1, user_groups=0, applications=0)
    provider = Provider(generate(1, sizes), generate(2, sizes))
    settings = fast_tmp_path / "integrations.toml"
    workspace = Workspace(fast_tmp_path / "data", config=settings)
    monkeypatch.setenv("MSP_KEY", provider.api_key)
    (fast_tmp_path / "dagster").mkdir()

    def partitions(hour: int) -> set[str | None]:
        tick = datetime(2026, 1, 1, hour, 17, tzinfo=UTC)
        data = evaluated(tick, instance, workspace)
        return {each.partition_key for each in data.run_requests or []}

    with (
        Server(provider) as server,
        dg.DagsterInstance.local_temp(str(fast_tmp_path / "dagster")) as instance,
    ):
        settings.write_text(
            '[[integration]]\nname = "msp"\ndiscover_organizations = true\n'
            f'base_url = "{server.base_url}"\napi_key_env = "MSP_KEY"\n'
        )
        server.behavior.faults = [Fault("", "reset")]
        assert partitions(0) == {"msp"}  # fails, because the organizations are not known yet
        assert stat.S_IMODE(workspace.root.stat().st_mode) == 0o700
        server.behavior.faults = []
        found = {f"msp-{each.id}" for each in provider.organizations}
        assert partitions(12) == found
        server.behavior.faults = [Fault("", "reset")]
        assert partitions(0) == found
        assert found | {"msp"} == set(instance.get_dynamic_partitions(NAME))


def evaluated(
    tick: datetime,
    instance: dg.DagsterInstance,
    workspace: Workspace,
    seconds: int = 10,
) -> dg.SensorResult:
    """Evaluate the sensor shortly after a tick, and so long after the last evaluation."""
    now = tick + timedelta(seconds=5)
    since = now - timedelta(seconds=seconds)
    return request_runs(instance, workspace, since, now, LOG)


def test_location_without_settings_loads_and_names_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for variable in ("CONFIG", "HOME"):
        monkeypatch.delenv(f"JUMPCLOUD_INVENTORY_{variable}", raising=False)
    monkeypatch.delenv("JUMPCLOUD_API_KEY", raising=False)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    definitions = defs()
    specs = definitions.resolve_all_asset_specs()
    assert all("Set `JUMPCLOUD_INVENTORY_HOME`" in str(spec.description) for spec in specs)
    sensors = definitions.get_repository_def().sensor_defs
    assert {sensor.default_status for sensor in sensors} == {dg.DefaultSensorStatus.STOPPED}
    assert [*tmp_path.iterdir()] == []
    (warning,) = caplog.messages
    assert "a second run of an integration fails" in warning
    assert "a killed run stays in progress" in warning

    caplog.clear()
    shutil.copy(ROOT / "assets_defs" / "dagster.yaml", tmp_path)
    monkeypatch.setenv("JUMPCLOUD_INVENTORY_HOME", str(tmp_path / "data"))
    assert "Set `" not in str([spec.description for spec in defs().resolve_all_asset_specs()])
    assert caplog.messages == []
