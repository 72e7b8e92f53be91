"""How long the findings and the paths of access take, on a large organization with a history."""

import json
import sys
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.cases.publish import lengthen, publish
from benchmarks.processes import run
from benchmarks.report import Goal, Report
from benchmarks.tables import Counts, completeness, tables
from pipelines.history.store import SnapshotStore
from pipelines.storage.atomic import write_parquet

SNAPSHOTS = 60
# Of CPU seconds, which a query takes at most on an idle machine: other work doubles the others.
SLOWEST_BOUND = 1.0
TIMEOUT_SECONDS = 300
COLUMNS = ("question", "rows", "seconds", "CPU seconds")

# What the plain organization of `benchmarks.tables` has none of.
_VIOLATIONS = {
    "system_group_users": "hash(user_id, group_id) % 900 = 0 AS sudo_without_password",
    "users": """
hash(user_id) % 40 = 0 AS suspended, hash(user_id) % 90 = 1 AS account_locked,
hash(user_id) % 300 = 2 AS global_admin, hash(user_id) % 800 <> 3 AS resolved,
if(hash(user_id) % 50 = 0, 0, system_count) AS system_count
""",
    "systems": """
last_contact_at - INTERVAL 90 DAY * (hash(system_id) % 20 = 0)::INTEGER AS last_contact_at,
if(hash(system_id) % 60 = 1, 0, user_count) AS user_count,
if(hash(system_id) % 3 = 0, left(md5('user' || hash(system_id) // 3 % 50000), 24), NULL)
    AS primary_user_id,
if(hash(system_id) % 80 = 2, [], group_ids) AS group_ids,
'203.' || hash(system_id) % 40000 AS public_ip,
hash(system_id) % 900 <> 3 AS resolved,
14 AS policies_total, greatest(hash(system_id) % 15 - 12.0, 0)::BIGINT AS policies_failed
""",
    "system_groups": "if(hash(group_id) % 40 = 0, 0, system_count) AS system_count",
    "applications": "if(hash(application_id) % 9 = 0, 0, user_count) AS user_count",
    "ipv4_addresses": "1 + hash(address) % 11 AS system_count",
}


def measure(scratch: Path) -> Report:
    """Publish sixty snapshots, then ask the last file every question."""
    counts = Counts()
    history = SnapshotStore(scratch / "data" / "history")
    for state, number in enumerate((1, 2, SNAPSHOTS)):
        if number == SNAPSHOTS:
            lengthen(history, until=number - 1, proofs=completeness(counts))
        pulled = scratch / "pulled"
        for table, rows in tables(counts, state):
            write_parquet(_with_violations(table.name, rows), pulled / f"{table.name}.parquet")
        write_parquet(completeness(counts), pulled / "completeness.parquet")
        publish(pulled, history, number)
    log = scratch / "questions.log"
    command = [sys.executable, "-m", "benchmarks.questions", str(scratch / "data/inventory.duckdb")]
    run(command, {}, log, TIMEOUT_SECONDS)
    asked = [json.loads(line) for line in log.read_text().splitlines()]
    slowest = max(each["cpu_seconds"] for each in asked)
    return Report(
        f"Findings: {counts.systems:,} systems, 2 million memberships, {SNAPSHOTS} snapshots",
        COLUMNS,
        [
            [
                each["question"],
                f"{each['rows']:,}",
                f"{each['seconds']:.2f}",
                f"{each['cpu_seconds']:.2f}",
            ]
            for each in asked
        ],
        [
            Goal("CPU seconds of the slowest question", slowest, SLOWEST_BOUND, " s"),
            Goal("questions without an answer", sum(not e["rows"] for e in asked), 0),
        ],
    )


def _with_violations(name: str, rows: pa.Table) -> pa.Table:
    if name not in _VIOLATIONS:
        return rows
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("rows", rows)
        changed = connection.sql(f"SELECT * REPLACE ({_VIOLATIONS[name]}) FROM rows")
        table: pa.Table = changed.to_arrow_table()
        return table.cast(rows.schema)
