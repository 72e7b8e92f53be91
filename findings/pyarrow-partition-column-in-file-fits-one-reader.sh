#!/usr/bin/env bash
# A Hive-partitioned file may repeat the column of its folder, so that it also stands alone. pyarrow
# has two readers of such folders, and no type of that column suits both: `pyarrow.parquet.read_table`
# (and pandas.read_parquet) take the folder for a dictionary and refuse a file with plain text;
# `pyarrow.dataset.dataset(..., partitioning="hive")` takes it for plain text and refuses a
# dictionary. The values are equal in all cases.
# Seen with pyarrow 26.0.1 on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

TYPES = {"text": pa.string(), "dictionary": pa.dictionary(pa.int32(), pa.string())}
READERS = {
    "pq.read_table": pq.read_table,
    "ds.dataset": lambda path: ds.dataset(path, partitioning="hive").to_table(),
}
found = {}
for kind, type_ in TYPES.items():
    root = Path(sys.argv[1], kind)
    part = root / "team=acme"
    part.mkdir(parents=True)
    pq.write_table(pa.table({"id": [1], "team": pa.array(["acme"]).cast(type_)}), part / "0.parquet")
    for name, read in READERS.items():
        try:
            found[name, kind] = read(root)["team"].to_pylist()
        except pa.ArrowTypeError as error:
            found[name, kind] = "refused"
            print(f"pyarrow {pa.__version__}: {name}, {kind} in the file:", error)
        else:
            print(f"pyarrow {pa.__version__}: {name}, {kind} in the file:", found[name, kind])
assert found == {
    ("pq.read_table", "text"): "refused",
    ("pq.read_table", "dictionary"): ["acme"],
    ("ds.dataset", "text"): ["acme"],
    ("ds.dataset", "dictionary"): "refused",
}
PY
