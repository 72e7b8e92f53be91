#!/usr/bin/env bash
# An instance that deletes old runs still grows: `DagsterInstance.delete_run` deletes a run's events,
# but not the rows that asset checks left in the table `asset_check_executions`. They stay for ever,
# one for each check of each deleted run, and nothing in the public API deletes them. In SQLite, the
# file with the run's events stays as well, without rows and at its full size.
# Seen with dagster 1.13.27 on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27
mkdir "$folder/home"
DAGSTER_DISABLE_TELEMETRY=1 "$folder/venv/bin/python" - "$folder/home" <<'PY'
import sqlite3
import sys
from pathlib import Path

import dagster as dg

RUNS, CHECKS = 3, 20
home = Path(sys.argv[1])
(home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
names = [f"check_{number}" for number in range(CHECKS)]


@dg.asset(check_specs=[dg.AssetCheckSpec(name, asset="table") for name in names])
def table():
    yield dg.MaterializeResult(
        check_results=[dg.AssetCheckResult(check_name=name, passed=True) for name in names]
    )


def rows(name):
    with sqlite3.connect(home / "history" / "runs" / "index.db") as connection:
        return connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]


quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
with dg.DagsterInstance.from_config(str(home)) as instance:
    runs = [
        dg.materialize([table], instance=instance, run_config=quiet).run_id for _ in range(RUNS)
    ]
    files = [home / "history" / "runs" / f"{run_id}.db" for run_id in runs]
    before = [file.stat().st_size for file in files]
    found = rows("asset_check_executions")
    for run_id in runs:
        instance.delete_run(run_id)
    assert not instance.get_runs()
    left = rows("asset_check_executions")
print(f"dagster {dg.__version__}: {RUNS} runs with {CHECKS} checks each: {found} rows of check "
      f"results; {left} after all runs are deleted")
assert found == left == RUNS * CHECKS
after = [file.stat().st_size for file in files if file.exists()]
print(f"files of the runs: {sum(before):,} bytes before, {sum(after):,} after")
assert after == before
PY
