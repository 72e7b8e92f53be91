"""The Dagster instance of a new data directory, as Dagster loads it."""

from pathlib import Path

import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus

from assets_defs.runs.instance import limit_concurrent_runs, open_home, prepare_instance
from pipelines.errors import SettingsError
from pipelines.workspace import Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "data")


@pytest.fixture
def dagster_yaml(workspace: Workspace) -> Path:
    """Return the `dagster.yaml` that the first command in a data directory writes."""
    prepare_instance(workspace)
    return workspace.dagster_home / "dagster.yaml"


def test_instance_limits_runs_retries_and_retention(dagster_yaml: Path) -> None:
    with open_home(dagster_yaml.parent) as instance:
        queue = instance.get_concurrency_config().run_queue_config
        assert queue
        assert queue.tag_concurrency_limits == [
            {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
        ]
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_start_timeout_seconds == 300
        assert instance.run_monitoring_max_runtime_seconds < 12 * 3600
        assert instance.run_retries_enabled
        assert instance.run_retries_max_retries == 2
        assert not instance.telemetry_enabled
        for kind in (InstigatorType.SCHEDULE, InstigatorType.SENSOR):
            days = instance.get_tick_retention_settings(kind)
            ended = (TickStatus.SKIPPED, TickStatus.SUCCESS, TickStatus.FAILURE)
            assert all(0 < days[status] <= 90 for status in ended)


def test_run_limit_is_set_and_user_edits_are_kept(dagster_yaml: Path, workspace: Workspace) -> None:
    edited = dagster_yaml.read_text().replace("skipped: 7", "skipped: 3") + "# mine: 2\n"
    dagster_yaml.write_text(edited)
    limit_concurrent_runs(workspace, 5)
    with open_home(dagster_yaml.parent) as instance:
        queue = instance.get_concurrency_config().run_queue_config
        assert queue
        assert queue.max_concurrent_runs == 5
    prepare_instance(workspace)
    assert dagster_yaml.read_text() == edited.replace("runs: 2", "runs: 5")
    limit_concurrent_runs(workspace, 2)
    assert dagster_yaml.read_text() == edited


def test_file_without_limit_is_not_changed(dagster_yaml: Path, workspace: Workspace) -> None:
    own = "# max_concurrent_runs: 9\ntelemetry: {enabled: false}\n"
    dagster_yaml.write_text(own)
    limit_concurrent_runs(workspace, 5)
    assert dagster_yaml.read_text() == own


def test_unreadable_file_is_named(dagster_yaml: Path, workspace: Workspace) -> None:
    dagster_yaml.unlink()
    with pytest.raises(SettingsError, match=r"dagster\.yaml: cannot be changed"):
        limit_concurrent_runs(workspace, 5)
