#!/usr/bin/env bash
# Cron means "the 15th, and the first Monday" by `0 6 15 * mon#1`. Dagster accepts that expression,
# and a schedule with it loads, but no tick can be computed: the iterator raises "failed to find prev
# date", because it wants a first Monday that is the 15th. With `0 6 15 * mon`, without the number,
# it takes either day. With a day on which the first Monday can fall (`0 6 1 * mon#1`), it ignores
# the day of the month. A check of the expression alone is thus no proof that a schedule works.
# Seen with dagster 1.13.27 on CPython 3.11. Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check dagster==1.13.27
"$folder/venv/bin/python" - <<'PY'
from datetime import UTC, datetime
from itertools import islice

import dagster as dg
from dagster._utils.schedules import cron_string_iterator, is_valid_cron_string

START = datetime(2026, 11, 29, tzinfo=UTC).timestamp()


def ticks(cron):
    assert is_valid_cron_string(cron)
    dg.ScheduleDefinition(name="refresh", cron_schedule=cron, job_name="refresh")
    try:
        found = [f"{tick:%d %b}" for tick in islice(cron_string_iterator(START, cron, "UTC"), 4)]
    except Exception as error:
        found = f"{type(error).__name__}: {error}"
    print(f"dagster {dg.__version__}: {cron:<15} -> {found}")
    return found


assert ticks("0 6 15 * *") == ["15 Dec", "15 Jan", "15 Feb", "15 Mar"]
assert ticks("0 6 15 * mon") == ["30 Nov", "07 Dec", "14 Dec", "15 Dec"]
assert ticks("0 6 * * mon#1") == ["07 Dec", "04 Jan", "01 Feb", "01 Mar"]
assert ticks("0 6 1 * mon#1") == ["07 Dec", "04 Jan", "01 Feb", "01 Mar"]
assert ticks("0 6 15 * mon#1") == "CroniterBadDateError: failed to find prev date"
PY
