#!/usr/bin/env bash
# A DuckDB connection keeps the memory of a finished query, and gives it back to the system when its
# memory limit is set again, even to the value that it has. Here a GROUP BY with lists adds more than
# 100 MiB to the resident memory of the process; the result has one row and is fetched, and the next
# query changes nothing. After `SET memory_limit` with the same value, nearly all of it is gone, and
# the connection goes on. A program that works in stages can call it between two of them.
# Seen with duckdb 1.5.6 and 2.0.0 and psutil 7.0.0 on CPython 3.11, Linux. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps)
"${pip[@]}" psutil==7.0.0
for version in 1.5.6 2.0.0; do
    "${pip[@]}" --target "$folder/$version" "duckdb==$version"
done
cat >"$folder/measure.py" <<'PY'
import duckdb
import psutil

QUERY = """
SELECT count(*) FROM (SELECT i % 3_000_000 AS k, list(i) FROM range(6_000_000) t(i) GROUP BY k)
"""


def resident():
    return psutil.Process().memory_info().rss / 2**20


connection = duckdb.connect(config={"memory_limit": "1GB", "threads": 2})
before = resident()
connection.execute(QUERY).fetchall()
connection.execute("SELECT 1").fetchall()
kept = resident() - before
connection.execute("SET memory_limit = '1GB'")
left = resident() - before
alive = connection.execute("SELECT 42").fetchone() == (42,)
print(f"kept {kept:.0f} MiB, left {left:.0f} MiB")
print(
    f"duckdb {duckdb.__version__}: more than 100 MiB kept {kept > 100}, "
    f"less than a fifth left {left < kept / 5}, alive {alive}"
)
PY
for version in 1.5.6 2.0.0; do
    PYTHONPATH="$folder/$version" "$folder/venv/bin/python" "$folder/measure.py"
done | tee "$folder/output"
grep '^duckdb' "$folder/output" | diff - <(
    for version in 1.5.6 2.0.0; do
        echo "duckdb $version: more than 100 MiB kept True, less than a fifth left True, alive True"
    done
)
