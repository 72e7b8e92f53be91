"""Compare two snapshots of an integration, and look up the names of assets."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from pipelines.errors import InventoryError
from pipelines.history.changes import TableState, compute_changes
from pipelines.history.lookup import by_integration, find_past, find_snapshot, parse_time
from pipelines.history.manifest import Manifest
from pipelines.history.store import SnapshotStore
from pipelines.schema.model import Table
from pipelines.schema.tables import CHANGES, INVENTORY_TABLES, TABLES, TARGETS, USERS
from pipelines.sql import in_memory

_TARGET_TABLES = {kind: table.name for kind, table in {"user": USERS, **TARGETS}.items()}


@dataclass(frozen=True)
class SnapshotDiff:
    """The net difference between two snapshots.

    Attributes:
        before: the earlier snapshot.
        after: the later snapshot.
        changes: rows as in table `changes`, in the order of the contract's tables.
        labels: display names of assets by table and id.
        not_compared: tables that one of the two pulls did not read.
    """

    before: Manifest
    after: Manifest
    changes: pa.Table
    labels: Mapping[str, Mapping[str, str]]
    not_compared: tuple[str, ...]

    def parse_key(self, asset_type: str, asset_id: str) -> dict[str, str]:
        """Split an id into the values of the key's columns."""
        columns = TABLES[asset_type].key
        if len(columns) == 1:
            return {columns[0]: asset_id}
        # An interface, the middle one of three values, may contain a slash.
        first, rest = asset_id.split("/", 1)
        values = (first, *rest.rsplit("/", len(columns) - 2))
        return dict(zip(columns, values, strict=True))

    def label(self, table: str, asset_id: str) -> str:
        """Return the display name of an asset, or its id if the table has none."""
        return self.labels.get(table, {}).get(asset_id, asset_id)

    def key_names(self, asset_type: str, asset_id: str) -> dict[str, str]:
        """Return the values of the key's columns, with each asset's id replaced by its name."""
        table, key = TABLES[asset_type], self.parse_key(asset_type, asset_id)
        tables = {table.key[0]: table.name} if table.is_asset else dict(table.references)
        if "target_type" in key:
            tables["target_id"] = _TARGET_TABLES.get(key["target_type"], "")
        if "asset_type" in key:
            tables["asset_id"] = key["asset_type"]
        return {column: self.label(tables.get(column, ""), value) for column, value in key.items()}

    def asset_name(self, asset_type: str, asset_id: str) -> str:
        """Return the id of a row with each asset's id replaced by its name."""
        return "/".join(self.key_names(asset_type, asset_id).values())

    def to_table(self) -> pa.Table:
        """Return the changes as one table, with the ids of both snapshots and a column of names."""
        rows = self.changes.drop_columns(["snapshot_id", "observed_at"])
        ids = zip(rows["asset_type"].to_pylist(), rows["asset_id"].to_pylist(), strict=True)
        for position, name, values in (
            (1, "before_snapshot_id", [self.before.snapshot_id] * rows.num_rows),
            (2, "after_snapshot_id", [self.after.snapshot_id] * rows.num_rows),
            (5, "name", [self.asset_name(str(kind), str(asset_id)) for kind, asset_id in ids]),
        ):
            rows = rows.add_column(position, name, pa.array(values, pa.string()))
        return rows


def select_snapshots(
    manifests: Sequence[Manifest], texts: Sequence[str], now: datetime
) -> tuple[list[tuple[Manifest, Manifest]], list[str]]:
    """Return the pairs of snapshots to compare: one pair, or one per integration.

    Args:
        manifests: the snapshots to choose from, oldest first within an integration.
        texts: two ids or times, or one to compare with the latest, or none for the latest two. A
            time means the last snapshot of each integration at or before it.
        now: the current time.

    Returns:
        The pairs, and a note for each integration with another snapshot than expected, or none.

    Raises:
        InventoryError: an id is unknown, nothing was recorded then, or they cannot be compared.
    """
    groups = by_integration(manifests)
    if not texts:
        pairs = [(own[-2], own[-1]) for own in groups.values() if len(own) > 1]
        if not pairs:
            raise InventoryError("there is only one snapshot: a comparison needs two")
        return pairs, []
    by_id = [find_snapshot(manifests, text) for text in texts if parse_time(text, now) is None]
    names = list(dict.fromkeys(one.integration.name for one in by_id)) or [*groups]
    if len(by_id) > 1 and len(names) > 1:
        raise _mixed_error(*by_id)
    pairs, notes = [], []
    for own in (groups[name] for name in names):
        try:
            found = [find_past(own, text, now) for text in texts]
        except InventoryError as error:
            notes.append(str(error))
            continue
        notes += [note for _, note in found if note]
        before, after, *_ = [*(manifest for manifest, _ in found), own[-1]]
        pairs.append((before, after))
    if not pairs:
        raise InventoryError("\n".join(notes))
    return pairs, notes


def _mixed_error(one: Manifest, other: Manifest) -> InventoryError:
    return InventoryError(
        f"snapshot {one.snapshot_id} belongs to {one.integration.name} and {other.snapshot_id} to "
        f"{other.integration.name}: only snapshots of one integration can be compared"
    )


def diff_snapshots(
    store: SnapshotStore, before: Manifest, after: Manifest, volatile_columns: Collection[str] = ()
) -> SnapshotDiff:
    """Compare the tables of two snapshots of an integration.

    Args:
        store: the store that holds the snapshots.
        before: the earlier snapshot. It has its tables.
        after: the later snapshot. It has its tables.
        volatile_columns: columns without changes, as `table.column`.

    Raises:
        InventoryError: files of a snapshot are missing or damaged.
    """
    labels: dict[str, Mapping[str, str]] = {}
    changes = [CHANGES.arrow_schema.empty_table()]
    not_compared = []
    with in_memory() as connection:
        for table in (table for table in INVENTORY_TABLES if table.has_changes):
            old, new = (
                TableState(one.pull, store.read(table, one.integration.name, one.snapshot_id))
                for one in (before, after)
            )
            if table.is_asset:
                labels[table.name] = _labels(table, old.rows) | _labels(table, new.rows)
            if before.pull.has_read(table) and after.pull.has_read(table):
                ignored = table.common_columns(volatile_columns)
                changes.append(
                    compute_changes(table, old, new, after.snapshot_id, ignored, connection)
                )
            else:
                not_compared.append(table.name)
    return SnapshotDiff(before, after, pa.concat_tables(changes), labels, tuple(not_compared))


def _labels(table: Table, rows: pa.Table) -> dict[str, str]:
    """Return the display names of assets by id."""
    ids = map(str, rows[table.key[0]].to_pylist())
    return dict(zip(ids, table.display_names(rows), strict=True))
