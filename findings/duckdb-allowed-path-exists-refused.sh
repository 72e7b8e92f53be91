#!/usr/bin/env bash
# DuckDB's sandbox lets a query write one file: SET allowed_paths = [file], then
# SET enable_external_access = false. COPY ... TO that file works, until the file exists. Then COPY
# writes to a temporary file "tmp_<name>" in the same folder first, which is not in the list, and
# the same statement fails with a permission error that names a file nobody mentioned. A new file is
# written directly. USE_TMP_FILE false makes both cases work.
# Seen with duckdb 2.0.0 on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0
"$folder/venv/bin/python" - "$folder/out.csv" <<'PY'
import sys
from pathlib import Path

import duckdb

path = Path(sys.argv[1])
connection = duckdb.connect()
connection.execute(f"SET allowed_paths = ['{path}']; SET enable_external_access = false")
print(f"duckdb {duckdb.__version__}")
connection.execute(f"COPY (SELECT 1 AS a) TO '{path}'")
print("first COPY, the file is new: written")
try:
    connection.execute(f"COPY (SELECT 2 AS a) TO '{path}'")
except duckdb.PermissionException as error:
    print("second COPY, the file exists:", str(error).replace(str(path.parent), "..."))
    assert "tmp_out.csv" in str(error)
else:
    sys.exit("the second COPY worked")
connection.execute(f"COPY (SELECT 3 AS a) TO '{path}' (USE_TMP_FILE false)")
print("third COPY, with USE_TMP_FILE false: written")
assert path.read_text() == "a\n3\n"
PY
