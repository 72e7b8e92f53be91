"""In an instance shared with other code locations, their runs and partitions stay as they are."""

import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus
from dagster._daemon.types import DaemonHeartbeat

from assets_defs.asset_keys import AssetKeys
from assets_defs.definitions import build_definitions
from assets_defs.jobs import COMBINE_JOB, REFRESH_JOB
from assets_defs.partitions import NAME, PARTITION_TAG
from assets_defs.runs import stale
from assets_defs.runs.ownership import GRAPH_JOB, OwnRuns
from assets_defs.runs.status import IntegrationStatus, read_statuses
from pipelines.workspace import Workspace
from tests.support.missed_ticks import switch_sensor
from tests.support.sensors import evaluate_sensor
from tests.support.webhook import exported_webhook

KEYS = AssetKeys()
FILE = KEYS.inventory_duckdb
TAGS = {PARTITION_TAG: "acme"}
THEIRS = dg.AssetKey("their_table")
LONG_AGO = datetime.now(UTC) - timedelta(days=91)
STARTED, ENDED = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.FAILURE


@dg.asset(key=THEIRS, partitions_def=dg.DynamicPartitionsDefinition(name="integrations"))
def their_table() -> None: ...


@dg.job(name=REFRESH_JOB)
def their_job() -> None:
    """Do something else under the name of our job."""

    @dg.op
    def count_shelves() -> None: ...

    count_shelves()


@pytest.fixture
def instance(fast_tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(fast_tmp_path)) as instance:
        instance.add_dynamic_partitions("integrations", ["acme", "their-customer"])
        yield instance


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    settings = tmp_path / "integrations.toml"
    settings.write_text(
        'alert_webhook_env = "TEST_WEBHOOK"\n'
        '[[integration]]\nname = "acme"\napi_key_env = "NOT_SET_KEY"\n'
    )
    return Workspace(tmp_path / "data", config=settings, environment=os.environ)


def runs_of_others(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> list[dg.DagsterRun]:
    """Return runs that have a partition of ours, or the name of our job, but are not ours."""
    snapshot = instance.create_run_for_job(their_job).job_snapshot_id
    return [
        dg.DagsterRun("nightly", tags=TAGS, status=status),
        dg.DagsterRun(REFRESH_JOB, tags=TAGS, status=status, job_snapshot_id=snapshot),
        dg.DagsterRun(GRAPH_JOB, tags=TAGS, status=status),
        dg.DagsterRun(GRAPH_JOB, tags=TAGS, status=status, asset_selection={THEIRS}),
        dg.DagsterRun(GRAPH_JOB, tags=TAGS, status=status, asset_selection={THEIRS, FILE}),
        dg.DagsterRun("both", tags=TAGS, status=status, asset_selection={FILE}),
    ]


def our_runs(status: dg.DagsterRunStatus) -> list[dg.DagsterRun]:
    return [
        dg.DagsterRun(REFRESH_JOB, tags=TAGS, status=status),
        dg.DagsterRun(REFRESH_JOB, tags=TAGS, status=status, asset_selection={FILE}),
        dg.DagsterRun(GRAPH_JOB, tags=TAGS, status=status, asset_selection={FILE}),
    ]


def runs_by_id(instance: dg.DagsterInstance) -> Mapping[str, dg.DagsterRun]:
    return {run.run_id: run for run in instance.get_runs()}


def tick(name: str, workspace: Workspace, instance: dg.DagsterInstance) -> None:
    """Evaluate a sensor, and apply the partitions that it requests."""
    sensor = build_definitions(workspace).get_repository_def().get_sensor_def(name)
    data = sensor.evaluate_tick(dg.build_sensor_context(instance=instance))
    for request in data.dynamic_partitions_requests or []:
        assert isinstance(request, dg.AddDynamicPartitionsRequest)
        instance.add_dynamic_partitions(request.partitions_def_name, [*request.partition_keys])


def test_only_our_old_runs_are_deleted(workspace: Workspace, instance: dg.DagsterInstance) -> None:
    theirs = runs_of_others(instance, ENDED)
    for run in [*our_runs(ENDED), *theirs, *our_runs(STARTED)]:
        instance.run_storage.add_historical_run(run, LONG_AGO)
    before = runs_by_id(instance)
    tick("forget_old_runs", workspace, instance)
    after = runs_by_id(instance)
    assert len(before) - len(after) == 3
    assert {run.run_id for run in theirs} < set(after)
    assert sum(run.status is STARTED for run in after.values()) == 3
    assert all(after[run_id] == before[run_id] for run_id in after)


def test_runs_of_others_work_on_and_are_not_in_our_status(
    workspace: Workspace, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stale, "STARTUP_GRACE", timedelta(0))
    for run in (*runs_of_others(instance, STARTED), *runs_of_others(instance, ENDED)):
        instance.add_run(run)
    before = runs_by_id(instance)
    stale.fail_runs_without_lock(instance, workspace, "acme")
    stale.fail_other_runs(OwnRuns(instance, KEYS), "acme", "this-run")
    assert runs_by_id(instance) == before
    (status,) = read_statuses(instance, workspace, workspace.settings().integration, {})
    assert (status.current_run, status.last_run) == (None, None)

    # Ours is found behind them.
    ours = instance.add_run(dg.DagsterRun(REFRESH_JOB, tags=TAGS, status=ENDED))
    for run in runs_of_others(instance, ENDED):
        instance.add_run(run)
    (status,) = read_statuses(instance, workspace, workspace.settings().integration, {})
    assert status.last_run
    assert status.last_run.run_id == ours.run_id


def test_failure_of_others_posts_no_alert(
    workspace: Workspace, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.op
    def fail() -> None:
        raise RuntimeError

    @dg.job
    def nightly() -> None:
        fail()

    definitions = build_definitions(workspace)
    cursor, skipped = None, ""
    with exported_webhook("TEST_WEBHOOK", "/hook", monkeypatch) as webhook:
        for _ in range(2):  # the first evaluation ignores earlier failures
            nightly.execute_in_process(instance=instance, tags=TAGS, raise_on_error=False)
            skipped, cursor = evaluate_sensor(
                "alert_on_failure", workspace, instance, cursor, definitions
            )
    assert skipped == "the run is not one of the inventory"
    assert webhook.posts == []


def test_partitions_of_others_stay_and_ours_keep_history(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    # As version 0.1 recorded it.
    instance.report_runless_asset_event(dg.AssetMaterialization(FILE, partition="acme"))
    tick("integrations_of_settings", workspace, instance)
    assert set(instance.get_dynamic_partitions("integrations")) == {"acme", "their-customer"}
    assert instance.get_dynamic_partitions(NAME) == ["acme"]
    assert instance.get_materialized_partitions(FILE) == {"acme"}


@pytest.mark.parametrize(
    ("home", "is_own"), [("data/dagster", True), ("elsewhere", False), ("", False)]
)
def test_sensors_are_off_in_shared_instance(tmp_path: Path, *, home: str, is_own: bool) -> None:
    variables = {
        "JUMPCLOUD_INVENTORY_HOME": "s3://bucket/prefix",
        "JUMPCLOUD_INVENTORY_WORK": str(tmp_path / "data"),
        "DAGSTER_HOME": str(tmp_path / home) if home else "",
    }
    definitions = build_definitions(Workspace.from_environment(variables))
    sensors = definitions.get_repository_def().sensor_defs
    assert {
        sensor.name: sensor.default_status is dg.DefaultSensorStatus.RUNNING for sensor in sensors
    } == {
        "refresh_due_integrations": is_own,
        "combine_what_was_published": is_own,
        "integrations_of_settings": is_own,
        "alert_on_failure": is_own,
        "alert_on_success": is_own,
        "alert_on_late": is_own,
        "forget_old_runs": is_own,
    }


def test_status_promises_no_run_before_the_sensor_is_switched_on(
    workspace: Workspace, instance: dg.DagsterInstance
) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(time.time(), "SENSOR", "id"))

    def status() -> IntegrationStatus:
        (status,) = read_statuses(instance, workspace, workspace.settings().integration, {})
        return status

    assert status().next_run_at is None
    assert status().not_scheduled.startswith("not switched on; ")
    # What the daemon recorded while an earlier version had it on by default.
    switch_sensor(instance, InstigatorStatus.DECLARED_IN_CODE)
    assert status().not_scheduled.startswith("not switched on; ")
    switch_sensor(instance, InstigatorStatus.RUNNING)
    assert status().next_run_at
    assert status().not_scheduled == ""


def test_merged_definitions_keep_others_out_of_our_job(workspace: Workspace) -> None:
    merged = dg.Definitions.merge(
        build_definitions(workspace),
        dg.Definitions([their_table, dg.AssetSpec("their_source")], jobs=[]),
    )
    job = merged.resolve_job_def(REFRESH_JOB)
    assert job.asset_layer.executable_asset_keys == KEYS.refreshed
    keys = merged.resolve_asset_graph().executable_asset_keys
    assert keys == {*KEYS.refreshed, THEIRS}


def test_each_job_has_the_op_that_identifies_it(tmp_path: Path) -> None:
    definitions = build_definitions(Workspace(tmp_path, url="s3://bucket/prefix"))
    with dg.DagsterInstance.ephemeral() as instance:
        own = OwnRuns(instance, KEYS)
        for job in (REFRESH_JOB, COMBINE_JOB):
            assert own.includes(instance.create_run_for_job(definitions.resolve_job_def(job)))
