#!/usr/bin/env bash
# Two Hive folders, code=01 and code=1, hold one row each. They are two codes to DuckDB, which keeps text
# where a value begins with a zero. polars and pyarrow.dataset make the number 1 of both, so
# that a group has the rows of two codes. pyarrow.parquet.read_table makes a dictionary that has the
# number 1 twice, and pandas.read_parquet refuses the folder for it: "Categorical categories must be
# unique".
# Seen with polars 2.1.0, pyarrow 26.0.1, pandas 3.1.1 and duckdb 2.0.1 on CPython 3.11. Fails when
# that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    polars==2.1.0 pyarrow==26.0.1 pandas==3.1.1 duckdb==2.0.1
"$folder/venv/bin/python" - "$folder/data" <<'PY'
import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

root = Path(sys.argv[1])
for code in ("01", "1"):
    part = root / f"code={code}" / "0.parquet"
    part.parent.mkdir(parents=True)
    pq.write_table(pa.table({"id": [1]}), part)

query = f"SELECT code, count(*) FROM read_parquet('{root}/*/*.parquet', hive_partitioning = true) GROUP BY ALL"
table = pq.read_table(root)
found = {
    "duckdb": sorted(duckdb.sql(query).fetchall()),
    "polars": pl.read_parquet(root, hive_partitioning=True).group_by("code").len().rows(),
    "pyarrow dataset": ds.dataset(root, partitioning="hive").to_table()["code"].to_pylist(),
    "pyarrow read_table": [chunk.dictionary.to_pylist() for chunk in table["code"].chunks],
}
try:
    found["pandas"] = str(pd.read_parquet(root))
except ValueError as error:
    found["pandas"] = f"refused: {error}"
for name, answer in found.items():
    print(f"{name}:", answer)
assert found["duckdb"] == [("01", 1), ("1", 1)]
assert found["polars"] == [(1, 2)]
assert found["pyarrow dataset"] == [1, 1]
assert found["pyarrow read_table"] == [[1, 1], [1, 1]]
assert found["pandas"] == "refused: Categorical categories must be unique"
PY
