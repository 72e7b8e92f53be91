#!/usr/bin/env bash
# A program that uses pyarrow and never pandas still loads pandas, wherever it is installed: not at
# `import pyarrow`, but inside of the first pa.array(list), pa.scalar(value) or pq.read_table(path),
# in whichever thread comes first. pyarrow looks there whether a value or argument is a pandas
# object. Writing a Parquet file and reading it back with pq.ParquetFile does not trigger it.
# Seen with pyarrow 26.0.1 and pandas 3.1.1 on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1 pandas==3.1.1

check() { # expected, code
    "$folder/venv/bin/python" - "$1" "$2" "$folder/t.parquet" <<'PY'
import resource
import sys

import pyarrow as pa
import pyarrow.parquet as pq

expected, code, path = sys.argv[1:]
before = resource.getrusage(resource.RUSAGE_SELF)
exec(code)
after = resource.getrusage(resource.RUSAGE_SELF)
loaded = "pandas" in sys.modules
seconds, mebibytes = after.ru_utime - before.ru_utime, (after.ru_maxrss - before.ru_maxrss) / 1024
print(f"{code:<77} pandas loaded: {loaded}; {seconds:.2f} s of CPU, {mebibytes:.0f} MiB")
sys.exit(loaded != (expected == "loads"))
PY
}

check stays 'pq.write_table(pa.Table.from_batches([], pa.schema({"id": pa.int64()})), path)'
check stays 'pq.ParquetFile(path).read()'
check loads 'pq.read_table(path)'
check loads 'pa.array([1])'
check loads 'pa.scalar(1)'
