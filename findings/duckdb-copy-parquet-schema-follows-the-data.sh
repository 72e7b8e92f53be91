#!/usr/bin/env bash
# DuckDB writes a Parquet column as REQUIRED when its statistics show no NULL, and as OPTIONAL
# otherwise: the schema of the file follows from the rows that happen to be in it. Two exports of
# one query, yesterday's without and today's with one NULL, have different schemas, and readers that
# compare schemas refuse to put them together: pyarrow.concat_tables and ParquetWriter.write_table
# fail. Rows from a table have such statistics; rows from VALUES or range() have not.
# A HUGEINT, which is also the type of sum() over integers, is written as DOUBLE without a warning.
# Seen with duckdb 2.0.0 and pyarrow 26.0.1 on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==2.0.0 pyarrow==26.0.1
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

folder = sys.argv[1]
connection = duckdb.connect()
connection.execute("CREATE TABLE t AS SELECT range::INTEGER AS id FROM range(3)")


def export(name, query):
    path = f"{folder}/{name}.parquet"
    connection.execute(f"COPY ({query}) TO '{path}'")
    print(f"duckdb {duckdb.__version__}: {query:<35} -> {pq.read_schema(path).field(0)}")
    return pq.read_table(path)


complete = export("complete", "SELECT id FROM t")
gap = export("gap", "SELECT nullif(id, 1) AS id FROM t")
values = export("values", "FROM (VALUES (1), (2)) v(id)")
total = export("total", "SELECT sum(id) AS total FROM t")
assert not complete.schema.field(0).nullable
assert gap.schema.field(0).nullable
assert values.schema.field(0).nullable
assert pa.types.is_float64(total.schema.field(0).type)
try:
    pa.concat_tables([complete, gap])
except pa.ArrowInvalid as error:
    print("pyarrow.concat_tables:", str(error).splitlines()[0])
else:
    sys.exit("the two exports were put together")
PY
