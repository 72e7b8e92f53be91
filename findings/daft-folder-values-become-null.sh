#!/usr/bin/env bash
# daft takes the type of a Hive folder from the first file that it is given, and every other folder
# whose name does not convert to that type is NULL, without an error. With the folders team=2024 and
# team=acme, the rows of acme lose their team, or keep it when its file comes first. DuckDB, polars and
# pyarrow read both as text.
# Seen with daft 0.7.26 on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check daft==0.7.26
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from importlib.metadata import version
from pathlib import Path

import daft
import pyarrow as pa
import pyarrow.parquet as pq

parts = {}
for name in ("2024", "acme"):
    part = Path(sys.argv[1], f"team={name}", "0.parquet")
    part.parent.mkdir()
    pq.write_table(pa.table({"id": [name]}), part)
    parts[name] = str(part)
for order, expected in (
    (("2024", "acme"), [("2024", 2024), ("acme", None)]),
    (("acme", "2024"), [("2024", "2024"), ("acme", "acme")]),
):
    frame = daft.read_parquet([parts[name] for name in order], hive_partitioning=True)
    found = sorted((row["id"], row["team"]) for row in frame.to_pylist())
    print(f"daft {version('daft')}: files of {order}: (id, team) =", found, flush=True)
    assert found == expected
PY
