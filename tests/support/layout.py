"""Write a history and a file that are hard to read for other programs: `layout FOLDER`."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from pipelines.history.store import SnapshotStore
from pipelines.publish.database import build_duckdb_file
from pipelines.schema.tables import SYSTEMS

# Earlier versions allowed such names. Numbers to a program that guesses, two of them the same one.
INTEGRATIONS = ("01", "1", "2024")
# Times to a program that guesses. The first one was written before `policies_total` existed.
SNAPSHOTS = ("20261123T080000Z", "20261123T200000Z")
CREATED_AT = datetime(2026, 3, 29, 1, 30, 0, 123456, UTC)
COLUMNS = ("system_id", "created_at", "group_ids", "policies_total")
LARGE = 2**53 + 1  # no float has this value


def write_history(folder: Path, snapshots: Sequence[str] = SNAPSHOTS) -> list[list[object]]:
    """Write the history below `folder/data`, and return the rows that a reader should find."""
    store = SnapshotStore(folder / "data" / "history")
    first_columns = [column.name for column in SYSTEMS.published_columns if not column.is_added]
    expected: list[list[object]] = []
    for integration in INTEGRATIONS:
        for snapshot in snapshots:
            has_later_column = snapshot == SNAPSHOTS[-1]
            devices: list[tuple[str, datetime | None, list[str]]] = [
                ("a", CREATED_AT, ["x", "y"]),
                ("b", None, []),
            ]
            rows = pa.Table.from_pylist(
                [dict(zip(COLUMNS, (*device, LARGE), strict=True)) for device in devices],
                SYSTEMS.published_schema,
            )
            rows = rows if has_later_column else rows.select(first_columns)
            store.write(SYSTEMS.name, integration, snapshot, rows.drop_columns("integration"))
            later = LARGE if has_later_column else None
            expected += [
                [integration, snapshot, name, created_at and created_at.isoformat(), groups, later]
                for name, created_at, groups in devices
            ]
    return sorted(expected, key=str)


def write_published(file: Path) -> None:
    """Write a published file with two devices, one of them with NULLs."""
    build_duckdb_file(SnapshotStore(file.parent / "history"), file)
    file.chmod(0o600)
    with duckdb.connect(file) as connection:
        connection.execute(
            "INSERT INTO systems BY NAME SELECT 'acme' AS integration, 'a' AS system_id, "
            f"'db-1' AS hostname, {LARGE} AS user_count, TRUE AS active, ['x'] AS group_ids, "
            f"TIMESTAMPTZ '{CREATED_AT}' AS created_at "
            "UNION ALL BY NAME SELECT 'acme' AS integration, 'b' AS system_id, [] AS group_ids"
        )
        connection.execute(
            "INSERT INTO user_groups BY NAME SELECT 'acme' AS integration, 'g' AS user_group_id, "
            "'{}' AS member_query"
        )


if __name__ == "__main__":
    print(json.dumps(write_history(Path(sys.argv[1]))))  # noqa: T201
