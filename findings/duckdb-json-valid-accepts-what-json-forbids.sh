#!/usr/bin/env bash
# DuckDB takes NaN, Infinity and a trailing comma for JSON, and writes the first two itself:
# `json_valid` is true for texts that RFC 8259 forbids, a cast to JSON keeps them as they are, and
# `to_json`, `json_object` and COPY ... (FORMAT json) give bare NaN and Infinity for doubles. Its own
# reader takes them back, so the fault shows only at the next program: SQLite's `json_valid` is 0, and
# Python's orjson raises. A comment and an unquoted key are refused, as they should be.
# Releases 1.2.2 and 2.0.0 differ in nothing of this.
# Seen with duckdb 1.2.2 and 2.0.0 and orjson 3.11.0 on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=("$folder/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps)
"${pip[@]}" orjson==3.11.0
for version in 1.2.2 2.0.0; do
    "${pip[@]}" --target "$folder/$version" "duckdb==$version"
done
cat >"$folder/validate.py" <<'PY'
import sqlite3
import tempfile
from pathlib import Path

import duckdb
import orjson


def parses(text):
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


connection = duckdb.connect()
texts = ['{"load":NaN}', '{"load":Infinity}', "[1,]", "[1] // one", "{load:1}"]
written = connection.execute("SELECT json_object('load', 'nan'::DOUBLE)::TEXT").fetchone()[0]
path = Path(tempfile.mkdtemp(dir=".")) / "out.json"
connection.execute(f"COPY (SELECT 'inf'::DOUBLE AS load) TO '{path}' (FORMAT json)")
print(f"duckdb {duckdb.__version__}: json_object {written}, COPY {path.read_text().strip()}")
for text in texts:
    valid = connection.execute("SELECT json_valid(?)", [text]).fetchone()[0]
    sqlite = sqlite3.connect(":memory:").execute("SELECT json_valid(?)", [text]).fetchone()[0]
    print(f"{text}: duckdb {valid}, sqlite {bool(sqlite)}, orjson {parses(text)}")
PY
cd "$folder"
for version in 1.2.2 2.0.0; do
    PYTHONPATH="$folder/$version" "$folder/venv/bin/python" "$folder/validate.py"
done | tee "$folder/output"
for version in 1.2.2 2.0.0; do
    cat <<OUT
duckdb $version: json_object {"load":NaN}, COPY {"load":Infinity}
{"load":NaN}: duckdb True, sqlite False, orjson False
{"load":Infinity}: duckdb True, sqlite False, orjson False
[1,]: duckdb True, sqlite False, orjson False
[1] // one: duckdb False, sqlite False, orjson False
{load:1}: duckdb False, sqlite False, orjson False
OUT
done | diff "$folder/output" -
