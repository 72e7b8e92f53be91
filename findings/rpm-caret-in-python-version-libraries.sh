#!/usr/bin/env bash
# Since RPM 4.15 a caret marks a snapshot after a release: 1.0 < 1.0^20250101 < 1.0.1. Two Python
# libraries that compare RPM versions give it no meaning of its own: they take its digits as one
# more part of the version, and put a snapshot of 1.0 above 1.0.1. version-utils also raises
# IndexError for a version that ends in a caret. univers follows the rule. All three order the
# tilde of pre-releases rightly, so a test with tildes alone does not show it.
# The expected order is that of `rpm.vercmp` in RPM 4.18.0: -1, 1, 1, -1.
# Seen with rpm-vercmp 0.1.2, version-utils 0.3.2 and univers 32.0.1 on CPython 3.11. Fails when that
# changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    rpm-vercmp==0.1.2 version-utils==0.3.2 univers==32.0.1
cat >"$folder/compare.py" <<'PY'
from rpm_vercmp import vercmp
from univers.versions import RpmVersion
from version_utils.rpm import compare_versions

PAIRS = [("1.0~rc1", "1.0"), ("1.0.1", "1.0^20250101"), ("1.0a", "1.0^git1"), ("1.0", "1.0^")]


def univers(one, other):
    one, other = RpmVersion(one), RpmVersion(other)
    return (one > other) - (one < other)


for name, compare in {
    "rpm-vercmp": vercmp,
    "version-utils": compare_versions,
    "univers": univers,
}.items():
    found = []
    for pair in PAIRS:
        try:
            found.append(str(compare(*pair)))
        except IndexError:
            found.append("IndexError")
    print(f"{name}:", *found)
PY
"$folder/venv/bin/python" "$folder/compare.py" | tee "$folder/output"
diff "$folder/output" - <<'OUT'
rpm-vercmp: -1 -1 -1 0
version-utils: -1 -1 -1 -1
univers: -1 1 1 -1
OUT
