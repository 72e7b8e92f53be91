#!/usr/bin/env bash
# A table macro belongs to the database that stores it, but its tables do not: they are looked up in
# the database in use when it is called. So a macro of an attached file, called by its full name,
# answers from the tables of the open file, without an error: this week's answer under last week's
# name. A view of the same attached file reads its own table. USE makes both right.
# Qualifying the tables by schema (main.t) does not help, and the name of the catalog is not known
# when the file is written, because ATTACH chooses it.
# Seen with duckdb 2.0.1 on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.1
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from pathlib import Path

import duckdb

folder = Path(sys.argv[1])
for week, devices in (("this", 4), ("last", 0)):
    with duckdb.connect(folder / f"{week}.duckdb") as connection:
        connection.execute(f"CREATE TABLE t AS FROM range({devices})")
        connection.execute("CREATE VIEW by_view AS SELECT count(*) AS n FROM main.t")
        connection.execute("CREATE MACRO by_macro() AS TABLE SELECT count(*) AS n FROM main.t")

connection = duckdb.connect(folder / "this.duckdb", read_only=True)
connection.execute(f"ATTACH '{folder / 'last.duckdb'}' AS last (READ_ONLY)")


def ask(query):
    (answer,) = connection.execute(query).fetchone()
    print(f"duckdb {duckdb.__version__}: {query:<27} -> {answer}")
    return answer


assert ask("FROM last.main.t SELECT count(*)") == 0
assert ask("FROM last.main.by_view") == 0
assert ask("FROM last.main.by_macro()") == 4
connection.execute("USE last")
print("USE last")
assert ask("FROM last.main.by_macro()") == 0
PY
