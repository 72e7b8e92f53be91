#!/usr/bin/env bash
# pyarrow takes a text where the type is a list of texts, and makes a list of its letters. So a JSON
# field that was a list yesterday and is one text today ("tags": "2026") becomes ["2", "0", "2", "6"]
# without an error, in pa.array and in pa.Table.from_pylist. A number or an object there is refused.
# A float likewise loses its fraction without an error where the type is an integer, although a cast
# of the same value is refused.
# Seen with pyarrow 26.0.1 on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1
"$folder/venv/bin/python" - <<'PY'
import sys

import pyarrow as pa

TEXTS, INTEGER = pa.list_(pa.string()), pa.int64()
rows = pa.Table.from_pylist(
    [{"tags": "2026", "days": 1.5}], pa.schema([("tags", TEXTS), ("days", INTEGER)])
).to_pylist()
print(f"pyarrow {pa.__version__}: from_pylist:", rows)
assert rows == [{"tags": ["2", "0", "2", "6"], "days": 1}]


def refused(attempt):
    try:
        sys.exit(f"accepted: {attempt()}")
    except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
        print(f"pyarrow {pa.__version__}: refused:", str(error)[:60])


refused(lambda: pa.array([2026], TEXTS))
refused(lambda: pa.array([{"a": "b"}], TEXTS))
refused(lambda: pa.array([1.5]).cast(INTEGER))
PY
