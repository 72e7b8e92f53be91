#!/usr/bin/env bash
# DuckDB 1.4.0 and 1.4.1 lose a common table expression of a stored view when it stands below the
# top level of the query, and any one of a stored table macro. The file is created without an error,
# also by a newer DuckDB, and other releases read it. In these two, every query of the view fails
# with "Table with name ... does not exist". A WITH at the top of a view works, and so does the same
# SQL that is not stored.
# Seen with duckdb 1.3.2, 1.4.0, 1.4.1 and 1.4.4 on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
for version in 1.3.2 1.4.0 1.4.1 1.4.4; do
    "$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
        --target "$folder/$version" "duckdb==$version"
done
cat >"$folder/write.py" <<'PY'
import sys

import duckdb

NESTED = "SELECT * FROM (WITH few AS (SELECT 42 AS n) SELECT n FROM few)"
with duckdb.connect(sys.argv[1]) as connection:
    connection.execute("CREATE VIEW on_top AS WITH few AS (SELECT 42 AS n) SELECT n FROM few")
    connection.execute(f"CREATE VIEW nested AS {NESTED}")
    connection.execute("CREATE MACRO stored(n) AS TABLE WITH few AS (SELECT n AS m) FROM few")
PY
cat >"$folder/read.py" <<'PY'
import sys

import duckdb

found = []
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    for name in ("on_top", "nested", "stored(42)"):
        try:
            found.append(str(connection.execute(f"FROM {name}").fetchone()[0]))
        except duckdb.Error as error:
            found.append(str(error).splitlines()[0].partition("!")[0])
print(f"duckdb {duckdb.__version__}:", " | ".join(found))
PY
PYTHONPATH="$folder/1.3.2" "$folder/venv/bin/python" "$folder/write.py" "$folder/file.duckdb"
for version in 1.3.2 1.4.0 1.4.1 1.4.4; do
    PYTHONPATH="$folder/$version" "$folder/venv/bin/python" "$folder/read.py" "$folder/file.duckdb"
done | tee "$folder/output"
lost='42 | Catalog Error: Table with name few does not exist | Catalog Error: Table with name few does not exist'
diff "$folder/output" - <<OUT
duckdb 1.3.2: 42 | 42 | 42
duckdb 1.4.0: $lost
duckdb 1.4.1: $lost
duckdb 1.4.4: 42 | 42 | 42
OUT
