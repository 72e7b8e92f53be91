"""Measure the cost of failing calls: no data, and few calls."""

from dataclasses import replace
from pathlib import Path

import duckdb

from benchmarks.organization import Spec
from benchmarks.runner import Goal, Report
from benchmarks.served import OurRun, run_ours, serve
from pipelines.schema.model import Table
from pipelines.schema.tables import INVENTORY_TABLES

FAILING = 0.05
CALLS_BOUND = 1.1
SPEC = Spec(systems=3_000, users=2_000, system_groups=150, applications=50, deleted_systems=100)
COLUMNS = ("server", "calls", "seconds of the pull", "rows that differ")


def measure(scratch: Path) -> Report:
    """Pull equal organizations, without and with failing calls."""
    runs: dict[str, OurRun] = {}
    for name, failing in (("sound", 0.0), ("failing", FAILING)):
        folder = scratch / name
        folder.mkdir()
        with serve(replace(SPEC, failing=failing), folder) as served:
            runs[name] = run_ours(served, folder / "data")
    sound, failing_run = runs["sound"], runs["failing"]
    differing = sum(
        _differing_rows(table, sound.published, failing_run.published) for table in INVENTORY_TABLES
    )
    ratio = failing_run.calls.total / sound.calls.total
    rows = [
        [name, f"{run.calls.total:,}", f"{run.pull_seconds:.1f}", str(number)]
        for name, run, number in (
            ("sound", sound, 0),
            ("5 % of calls fail: 502, reset, truncated", failing_run, differing),
        )
    ]
    goals = [
        Goal("rows of all tables that differ", differing, 0),
        Goal("calls, of those without failures", ratio, CALLS_BOUND, " x"),
    ]
    return Report("Faults: 150 groups, 3,000 systems, 50 ms a call", COLUMNS, rows, goals)


def _differing_rows(table: Table, one: Path, other: Path) -> int:
    """Return the number of rows that only one of the files has."""
    columns = ", ".join(f'"{column.name}"' for column in table.columns)
    left, right = (f"SELECT {columns} FROM {name}.{table.name}" for name in ("one", "other"))
    query = f"""
SELECT (SELECT count(*) FROM ({left} EXCEPT ALL {right}))
    + (SELECT count(*) FROM ({right} EXCEPT ALL {left}))
"""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{one}' AS one (READ_ONLY)")
        connection.execute(f"ATTACH '{other}' AS other (READ_ONLY)")
        row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
