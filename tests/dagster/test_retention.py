"""The records of old runs in Dagster's home."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from assets_defs.asset_keys import AssetKeys
from assets_defs.jobs import REFRESH_JOB
from assets_defs.runs.instance import open_home, prepare_instance
from assets_defs.runs.ownership import OwnRuns
from assets_defs.runs.retention import purge_runs
from pipelines.workspace import Workspace

KEYS = AssetKeys()
FILE = KEYS.inventory_duckdb
CHECK = dg.AssetCheckSpec("anything", asset=FILE)


def test_old_runs_are_removed_with_their_files(tmp_path: Path) -> None:
    @dg.asset(key=FILE, check_specs=[CHECK])
    def anything() -> Iterator[dg.MaterializeResult[None]]:
        yield dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])

    workspace = Workspace(tmp_path / "data")
    prepare_instance(workspace)
    job = dg.Definitions([anything]).resolve_implicit_global_asset_job_def()
    with open_home(workspace.dagster_home) as instance:
        history = instance.event_log_storage.get_asset_check_execution_history
        runs = [
            job.execute_in_process(instance=instance, asset_selection=[FILE]).run_id
            for _ in range(3)
        ]
        started = dg.DagsterRun(REFRESH_JOB, status=dg.DagsterRunStatus.STARTED)
        waits = instance.add_run(started).run_id
        now, own = datetime.now(UTC), OwnRuns(instance, KEYS)
        assert purge_runs(own, now - timedelta(days=90), limit=9) == 0
        assert {run.run_id for run in instance.get_runs()} == {*runs, waits}

        folder = workspace.dagster_home / "history" / "runs"
        assert {path.stem for path in folder.glob("*.db")} == {*runs, "index"}
        assert purge_runs(own, now + timedelta(minutes=1), limit=2) == 2
        assert {run.run_id for run in instance.get_runs()} == {runs[2], waits}
        assert [result.run_id for result in history(CHECK.key, limit=9)] == [runs[2]]
        assert purge_runs(own, now + timedelta(minutes=1), limit=2) == 1
        assert {path.name.partition(".")[0] for path in folder.iterdir()} == {"index"}
        assert not instance.fetch_materializations(FILE, limit=1).records
        assert not history(CHECK.key, limit=9)
