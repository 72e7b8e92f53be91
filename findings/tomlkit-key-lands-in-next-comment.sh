#!/usr/bin/env bash
# tomlkit keeps comments and order "as they were", which makes it the usual choice for editing a
# user's settings file. With an array of tables (one [[entry]] per integration, server, job ...)
# it does not:
#   1. A key added to an entry is written after the comment that introduces the NEXT entry, so the
#      comment now seems to describe the new key.
#   2. A [table] between two [[entry]] tables is moved behind the last of them, although only a key
#      of the first entry was set.
# The document still parses to the same values; only people are misled.
# Seen with tomlkit 0.15.2 on CPython 3.11. Fails when either behavior changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tomlkit==0.15.2
"$folder/venv/bin/python" - <<'PY'
import tomlkit

COMMENTED = """\
[[server]]
name = "one"

# The second server is the spare.
[[server]]
name = "two"
"""
document = tomlkit.parse(COMMENTED)
document["server"][0]["enabled"] = False
written = tomlkit.dumps(document)
print(f"tomlkit {tomlkit.__version__}, a key set in the first entry:\n{written}")
assert "# The second server is the spare.\nenabled = false\n[[server]]" in written

BETWEEN = """\
[[server]]
name = "one"

[limits]
rate = 5

[[server]]
name = "two"
"""
document = tomlkit.parse(BETWEEN)
document["server"][0]["enabled"] = False
written = tomlkit.dumps(document)
print(f"a table between two entries, the same key set:\n{written}")
assert BETWEEN.index("[limits]") < BETWEEN.index('"two"')
assert written.index("[limits]") > written.index('"two"')
assert tomlkit.parse(written)["limits"]["rate"] == 5
PY
