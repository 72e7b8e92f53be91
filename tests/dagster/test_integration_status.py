"""The asset `inventory/status`: each run reports it, and its event is deleted with the run."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from assets_defs.asset_keys import AssetKeys
from assets_defs.assets.integration_status import MAX_INTEGRATIONS, report_status, status_table
from assets_defs.jobs import REFRESH_JOB
from assets_defs.partitions import PARTITION_TAG
from assets_defs.runs.instance import open_home
from assets_defs.runs.ownership import OwnRuns
from assets_defs.runs.retention import purge_runs
from assets_defs.runs.status import IntegrationStatus, Run, describe_cost
from pipelines.simulator import Server, Sizes, generate
from pipelines.workspace import Workspace
from tests.support.cli import Installation
from tests.support.integration_status import status_errors, status_events, status_rows

TINY = Sizes(systems=3, users=2, system_groups=1, user_groups=1, applications=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_run_reports_all_integrations_and_their_errors(
    installation: Installation, serve: Callable[..., Server]
) -> None:
    good, bad = generate(1, TINY), generate(2, TINY)
    installation.set_integrations(good=serve(good), bad=serve(bad))
    keys = {"GOOD_KEY": good.api_key, "BAD_KEY": "jca_not_the_key_of_anybody"}
    home = installation.data / "dagster"

    done = installation.run("run", "good", **keys)
    assert done.returncode == 0, done.stderr
    with open_home(home) as instance:
        rows = {row["integration"]: row for row in status_rows(instance)}
        assert rows.keys() == {"good", "bad"}
        # The run that reports the table is shown as ended.
        assert rows["good"]["state"] == "enabled"
        assert " success in " in rows["good"]["last run"]
        assert rows["good"]["systems"] == "3"
        assert rows["good"]["last success"]
        assert rows["bad"]["last run"] == "never"
        assert status_errors(instance) == {"good": "", "bad": ""}
        (run,) = instance.get_runs()
        assert run.remote_job_origin
        assert run.remote_job_origin.location_name == "assets_defs.definitions"
        assert [event.run_id for event in status_events(instance)] == [run.run_id]

    assert installation.run("run", "bad", **keys).returncode == 1
    with open_home(home) as instance:
        rows_in_order = status_rows(instance)
        assert [row["integration"] for row in rows_in_order] == ["bad", "good"]
        assert "JumpCloud refused the API key (401)" in rows_in_order[0]["error"]
        assert "\n" not in rows_in_order[0]["error"]
        assert " failure in " in rows_in_order[0]["last run"]
        assert rows_in_order[1]["error"] == ""

        # Only the event of the run is deleted with the run.
        assert len(status_events(instance)) == 2
        own = OwnRuns(instance, AssetKeys())
        assert purge_runs(own, datetime.now(UTC) + timedelta(minutes=1), limit=50) == 2
        (event,) = status_events(instance)
        assert event.run_id != run.run_id


def test_unreadable_settings_do_not_fail_the_report(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[dg.AssetMaterialization] = []
    with dg.DagsterInstance.ephemeral() as instance:
        report_status(instance, workspace, reported.append)
        assert workspace.config
        assert len(reported) == 1
        assert not caplog.text
        workspace.config.write_text("[[integration")
        report_status(instance, workspace, reported.append)
    assert len(reported) == 1
    assert "the status of the integrations was not reported: " in caplog.text


@pytest.fixture
def workspace(installation: Installation) -> Workspace:
    config = installation.folder / "integrations.toml"
    config.write_text('[[integration]]\nname = "acme"\n')
    return Workspace(installation.data, config=config)


def test_ending_run_is_a_success_while_another_waits(workspace: Workspace) -> None:
    reported: list[dg.AssetMaterialization] = []
    with dg.DagsterInstance.ephemeral() as instance:
        tags = {PARTITION_TAG: "acme"}
        ending, _ = (
            instance.add_run(dg.DagsterRun(REFRESH_JOB, tags=tags, status=status))
            for status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.NOT_STARTED)
        )
        report_status(instance, workspace, reported.append, ending.run_id)
    table = reported[0].metadata["integrations"]
    assert isinstance(table, dg.TableMetadataValue)
    (row,) = (record.data for record in table.records)
    assert row["state"] == "not_started"
    assert " success in 0 s" in str(row["last run"])


def status(name: str, error: str = "", *, late: bool = False) -> IntegrationStatus:
    return IntegrationStatus(
        name=name,
        type="jumpcloud",
        scope="cloud",
        description="",
        enabled=True,
        late=late,
        current_run=None,
        last_run=Run("run", "failure" if error else "success", NOW, 1.0, error),
        last_success_at=None,
        assets={},
        changes=None,
        next_run_at=None,
        not_scheduled="",
        calls=200,
        direct_calls=100,
    )


def test_cost_of_direct_bindings_is_shown_where_it_is_most_of_a_pull() -> None:
    acme = status("acme")
    assert describe_cost(acme).startswith("acme: about 100 of 200 calls of the last pull read")
    assert 'direct_bindings = "report" takes fewer' in describe_cost(acme)
    assert describe_cost(replace(acme, direct_calls=99)) == ""
    assert describe_cost(replace(acme, calls=None, direct_calls=None)) == ""


def test_long_table_has_failed_and_late_ones_first_and_a_rest() -> None:
    healthy = [status(f"n{number}") for number in range(MAX_INTEGRATIONS + 5)]
    long_error = "x " * 1000
    table = status_table([*healthy, status("late", late=True), status("bad", long_error)])
    names = [str(record.data["integration"]) for record in table.records]
    assert len(names) == MAX_INTEGRATIONS + 1
    assert names[:3] == ["late", "bad", "n0"]
    assert names[-1] == "and 7 more: jumpcloud-inventory status"
    assert len(str(table.records[1].data["error"])) <= 300
    assert len(status_table(healthy[:MAX_INTEGRATIONS]).records) == MAX_INTEGRATIONS
