#!/usr/bin/env bash
# fastparquet guesses the type of a Hive folder from its name, and tries a time and a duration last.
# The id `20261123T080000Z-2`, a UTC time made unique by a suffix, becomes a time in the zone +02:00,
# two hours earlier. The name `12-30` becomes the 30th of December of the year 1, and `1d` one day.
# The ids themselves are lost. No option keeps the text.
# Seen with fastparquet 2026.9.0 and pandas 3.1.1 on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check fastparquet==2026.9.0 pandas==3.1.1
"$folder/venv/bin/python" - "$folder" <<'PY'
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import fastparquet
import pandas as pd

found = {}
for name in ("20261123T080000Z", "20261123T080000Z-2", "12-30", "1d", "acme"):
    part = Path(sys.argv[1], name, f"id={name}")
    part.mkdir(parents=True)
    fastparquet.write(str(part / "0.parquet"), pd.DataFrame({"n": [1]}))
    frame = fastparquet.ParquetFile(str(part.parent)).to_pandas()
    (value,) = frame["id"].tolist()
    found[name] = repr(value)
    print(f"fastparquet {fastparquet.__version__}: id={name}:", found[name])
assert found["20261123T080000Z-2"].startswith("Timestamp('2026-11-23 08:00:00+0200'"), found
assert found["12-30"] == "Timestamp('0001-12-30 00:00:00')", found
assert found["1d"] == "Timedelta('1 days 00:00:00')", found
assert found["acme"] == "'acme'", found
PY
