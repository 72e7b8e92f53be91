"""Publishes one pull whose tables lie in a folder: the process that is measured.

Arguments: the folder of the tables, the data directory, the start of the pull in ISO 8601.
"""

import json
import sys
import time
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.config.settings import VOLATILE_COLUMNS
from pipelines.history.commit import PulledTables, commit_snapshot
from pipelines.history.manifest import IntegrationFacts, PullFacts
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import update_duckdb_file
from pipelines.report.render import write_report

INTEGRATION = IntegrationFacts(
    name="acme", type="jumpcloud", scope="cloud", description="", region="us", enabled=True
)


def _read(folder: Path, table: str) -> pa.Table:
    return pq.read_table(folder / f"{table}.parquet")


def main() -> None:
    """Publish; print how long the snapshot, the file and the report took.

    And the CPU seconds of the process until the file was there.
    """
    pulled, data_dir, started_at = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    completeness = pq.read_table(pulled / "completeness.parquet")
    history = SnapshotStore(data_dir / "history")
    pull = PullFacts(
        started_at=datetime.fromisoformat(started_at),
        finished_at=datetime.fromisoformat(started_at) + timedelta(minutes=2),
        api_calls=50_000,
        api_retries=0,
        throttled=0,
        organization_id=None,
        organization_name=None,
        endpoints=frozenset(map(str, completeness["endpoint"].to_pylist())),
        association_targets=frozenset({"user", "user_group"}),
    )
    begun = time.monotonic()
    tables = PulledTables(pull, completeness, partial(_read, pulled))
    commit_snapshot(history, INTEGRATION, tables, "run", VOLATILE_COLUMNS)
    committed = time.monotonic()
    update_duckdb_file(history, data_dir / "inventory.duckdb")
    applied_snapshots, cpu_seconds = time.monotonic(), time.process_time()
    write_report(data_dir / "inventory.duckdb", data_dir / "report.html")
    reported = time.monotonic()
    took = {
        "commit": committed - begun,
        "fold": applied_snapshots - committed,
        "report": reported - applied_snapshots,
    }
    print(json.dumps(took | {"cpu": cpu_seconds}))


if __name__ == "__main__":
    main()
