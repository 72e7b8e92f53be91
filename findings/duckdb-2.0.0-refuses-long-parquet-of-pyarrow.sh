#!/usr/bin/env bash
# A query over a Parquet file that pyarrow read works for 131,072 rows, and fails for one more:
# `pyarrow.parquet.read_table` returns slices of that many rows, and DuckDB 2.0.0 refuses the second
# slice of a struct that holds a struct. `ParquetFile.read` returns the file in one piece, which
# DuckDB 2.0.0 reads. DuckDB 2.0.1 reads both.
# Seen with duckdb 2.0.0 and 2.0.1, pyarrow 26.0.1, on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for version in 2.0.0 2.0.1; do
    python3 -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check \
        "duckdb==$version" pyarrow==26.0.1
    "$folder/$version/bin/python" - "$folder/rows.parquet" <<'PY'
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

SLICE = 131_072
path = sys.argv[1]


def answer(table):
    with duckdb.connect() as connection:
        connection.register("rows", table)
        try:
            return connection.execute("SELECT count(outer_.inner_.a) FROM rows").fetchall()[0][0]
        except duckdb.Error as error:
            return str(error).splitlines()[0]


answers = {}
for number in (SLICE, SLICE + 1):
    inner = pa.StructArray.from_arrays([pa.array(range(number))], ["a"])
    pq.write_table(pa.table({"outer_": pa.StructArray.from_arrays([inner], ["inner_"])}), path)
    with pq.ParquetFile(path) as file:
        answers[number] = answer(pq.read_table(path)), answer(file.read())
print(f"duckdb {duckdb.__version__}, pyarrow {pa.__version__}: rows: (read_table, ParquetFile.read)")
for number, found in answers.items():
    print(f"  {number:,}: {found}")
assert answers[SLICE] == (SLICE, SLICE)
in_slices, in_one_piece = answers[SLICE + 1]
assert in_one_piece == SLICE + 1
if duckdb.__version__ == "2.0.0":
    assert "below an offset" in str(in_slices), in_slices
else:
    assert in_slices == SLICE + 1, in_slices
PY
done
