#!/usr/bin/env bash
# With DuckDB 2.0, Dagster's IO manager for polars stores an asset and cannot load it: the release
# that resolves next to DuckDB 2.0.0 has no upper bound for it, but calls `connection.arrow()`, which
# 2.0 does not have. The asset is materialized, its table has the rows, and each asset downstream of
# it fails with AttributeError. With DuckDB 1.5.6, the same two assets succeed. `DuckDBResource` of
# dagster-duckdb works with both, because it only opens connections.
# Seen with dagster-duckdb-polars 0.29.27, dagster 1.13.27, polars 2.1.0 and duckdb 1.5.6 and 2.0.0 on
# CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" dagster-duckdb-polars==0.29.27 dagster==1.13.27 polars==2.1.0 duckdb==2.0.0
"${pip[@]}" --no-deps --target "$folder/1.5.6" duckdb==1.5.6
cat >"$folder/assets.py" <<'PY'
import tempfile

import dagster as dg
import duckdb
import polars as pl
from dagster_duckdb_polars import DuckDBPolarsIOManager


@dg.asset
def systems() -> pl.DataFrame:
    return pl.DataFrame({"system_id": ["a", "b"]})


@dg.asset
def count(systems: pl.DataFrame) -> dg.MaterializeResult:
    return dg.MaterializeResult(metadata={"rows": systems.height})


manager = DuckDBPolarsIOManager(database=f"{tempfile.mkdtemp()}/file.duckdb")
result = dg.materialize(
    [systems, count], resources={"io_manager": manager}, raise_on_error=False
)
done = [one.asset_key.to_user_string() for one in result.get_asset_materialization_events()]
failed = [
    f"{one.step_key} ({one.step_failure_data.error.cause.message.strip()})"
    for one in result.get_step_failure_events()
]
print(f"duckdb {duckdb.__version__}: materialized {', '.join(done)}; failed", *failed or ["none"])
PY
for path in "$folder/1.5.6" ""; do
    PYTHONPATH="$path" TMPDIR="$folder" "$folder/venv/bin/python" -W ignore "$folder/assets.py" 2>"$folder/log"
done | tee "$folder/output"
diff "$folder/output" - <<'OUT'
duckdb 1.5.6: materialized systems, count; failed none
duckdb 2.0.0: materialized systems; failed count (AttributeError: 'DuckDBPyConnection' object has no attribute 'arrow')
OUT
