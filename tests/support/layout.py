"""Write a history that programs other than ours find hard to read: `layout FOLDER`."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from pipelines.history.store import SnapshotStore
from pipelines.schema.tables import SYSTEMS

# Earlier versions allowed such names. Numbers to a program that guesses, two of them the same one.
INTEGRATIONS = ("01", "1", "2024")
# Times to a program that guesses. The first one was written before `policies_total` existed.
SNAPSHOTS = ("20261123T080000Z", "20261123T200000Z")
CREATED_AT = datetime(2026, 3, 29, 1, 30, 0, 123456, UTC)
LARGE = 2**53 + 1  # no float has this value


def write_history(folder: Path, snapshots: Sequence[str] = SNAPSHOTS) -> list[list[object]]:
    """Write the history below `folder/data`, and return the rows that a reader should find."""
    store = SnapshotStore(folder / "data" / "history")
    first_columns = [column.name for column in SYSTEMS.published_columns if not column.is_added]
    expected: list[list[object]] = []
    for integration in INTEGRATIONS:
        for snapshot in snapshots:
            has_later_column = snapshot == SNAPSHOTS[-1]
            for_each = [
                {"system_id": "a", "created_at": CREATED_AT, "group_ids": ["x", "y"]},
                {"system_id": "b", "created_at": None, "group_ids": []},
            ]
            rows = pa.Table.from_pylist(
                [row | {"policies_total": LARGE} for row in for_each], SYSTEMS.published_schema
            )
            rows = rows if has_later_column else rows.select(first_columns)
            store.write(SYSTEMS.name, integration, snapshot, rows.drop_columns("integration"))
            expected += [
                [
                    integration,
                    snapshot,
                    row["system_id"],
                    CREATED_AT.isoformat() if row["created_at"] else None,
                    row["group_ids"],
                    LARGE if has_later_column else None,
                ]
                for row in for_each
            ]
    return sorted(expected, key=str)


if __name__ == "__main__":
    print(json.dumps(write_history(Path(sys.argv[1]))))  # noqa: T201
