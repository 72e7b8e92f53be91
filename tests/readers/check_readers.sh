#!/usr/bin/env bash
# Run the examples of docs/reference/readers.md for readers that are too large for the tests: about
# 1.5 GB of packages and five minutes. Spark needs Java 17. Prints a line for each reader, and fails
# if one finds other rows. Give names of readers to run only those.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
declare -A packages=([Spark]=pyspark==4.3.0 [ClickHouse]=chdb==4.4.0 [daft]=daft==0.7.26)
(cd "$root" && .venv/bin/python -m tests.support.layout "$folder") >"$folder/expected.json"
cd "$folder"
failed=0
[ $# -gt 0 ] || set -- "${!packages[@]}"
for reader in "$@"; do
    python3 -m venv "$reader"
    "$reader/bin/pip" install --quiet --disable-pip-version-check "${packages[$reader]}"
    "$reader/bin/python" "$root/tests/readers/run_examples.py" "$root/docs/reference/readers.md" \
        "$reader" >"$reader.json" 2>"$reader.log" || tail -n 3 "$reader.log"
    if python3 - "$reader" <<'PY'
import json
import sys

expected, found = (json.load(open(f"{name}.json")) for name in ("expected", sys.argv[1]))
sys.exit(found[sys.argv[1]] != expected)
PY
    then echo "${packages[$reader]}: every row"
    else echo "${packages[$reader]}: other rows" && failed=1
    fi
    rm -rf "$reader"
done
exit "$failed"
