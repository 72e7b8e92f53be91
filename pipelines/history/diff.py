"""The net difference between two snapshots of an integration, with the names that people know."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from pipelines.errors import InventoryError
from pipelines.history.changes import compute_changes
from pipelines.history.lookup import find_snapshot
from pipelines.history.manifest import Manifest
from pipelines.history.scope import columns_not_read, read_by_both, was_read
from pipelines.history.store import SnapshotStore
from pipelines.schema.model import Table
from pipelines.schema.tables import ASSET_TABLES, CHANGES, INVENTORY_TABLES, TABLES


@dataclass(frozen=True)
class SnapshotDiff:
    """What leads from one snapshot to another.

    Attributes:
        before: the one.
        after: the other.
        changes: rows as in table `changes`, in the order of the contract's tables.
        labels: by asset table and id, the name of the asset where it has one.
        not_compared: tables whose records one of the two did not pull.
    """

    before: Manifest
    after: Manifest
    changes: pa.Table
    labels: Mapping[str, Mapping[str, str]]
    not_compared: tuple[str, ...]

    def key_text(self, asset_type: str, asset_id: str) -> dict[str, str]:
        """The values of the key's columns, of which the id is made."""
        columns = TABLES[asset_type].key
        if len(columns) == 1:
            return {columns[0]: asset_id}
        first, *middle, last = asset_id.split("/")
        # An interface, the middle one of three, may hold a slash itself.
        values = (first, "/".join(middle), last) if middle else (first, last)
        return dict(zip(columns, values, strict=True))

    def label(self, table: str, asset_id: str) -> str:
        """The asset's name; its id where it has none."""
        return self.labels.get(table, {}).get(asset_id, asset_id)

    def asset_name(self, asset_type: str, asset_id: str) -> str:
        """What the id stands for, with names in the place of ids."""
        table = TABLES[asset_type]
        if table.is_asset:
            return self.label(asset_type, asset_id)
        key = self.key_text(asset_type, asset_id)
        names = (self.label(table.references.get(each, ""), key[each]) for each in key)
        return "/".join(names)

    def to_table(self) -> pa.Table:
        """The changes as one table that says what was compared, with a column of names."""
        rows = self.changes.drop_columns(["snapshot_id", "observed_at"])
        types, ids = (rows[column].to_pylist() for column in ("asset_type", "asset_id"))
        added = {
            1: ("before_snapshot_id", [self.before.snapshot_id] * rows.num_rows),
            2: ("after_snapshot_id", [self.after.snapshot_id] * rows.num_rows),
            5: (
                "name",
                [
                    self.asset_name(str(kind), str(each))
                    for kind, each in zip(types, ids, strict=True)
                ],
            ),
        }
        for place, (name, values) in added.items():
            rows = rows.add_column(place, name, pa.array(values, pa.string()))
        return rows


def select_snapshots(
    manifests: Sequence[Manifest], snapshot_ids: Sequence[str]
) -> list[tuple[Manifest, Manifest]]:
    """The snapshot before and the snapshot after, of one integration or, without ids, of each.

    Args:
        manifests: where to look, oldest first within an integration.
        snapshot_ids: two, or one to compare with the latest, or none for the latest two.

    Raises:
        InventoryError: they cannot be compared; the message says why.
    """
    by_integration: dict[str, list[Manifest]] = {}
    for manifest in manifests:
        by_integration.setdefault(manifest.integration.name, []).append(manifest)
    if not snapshot_ids:
        pairs = [(own[-2], own[-1]) for own in by_integration.values() if len(own) > 1]
        if not pairs:
            raise InventoryError("there is only one snapshot: nothing to compare it with")
        return pairs
    first, *others = (find_snapshot(manifests, each) for each in snapshot_ids)
    name = first.integration.name
    second = others[0] if others else by_integration[name][-1]
    if second.integration.name != name:
        raise InventoryError(
            f"snapshot {first.snapshot_id} is of {name} and {second.snapshot_id} of "
            f"{second.integration.name}: only snapshots of one integration can be compared"
        )
    return [(first, second)]


def difference(
    history: SnapshotStore,
    before: Manifest,
    after: Manifest,
    volatile_columns: Collection[str] = (),
) -> SnapshotDiff:
    """Compare the tables of two snapshots that have theirs.

    Args:
        history: where they are.
        before: the one.
        after: the other.
        volatile_columns: as `table.column`, those of which a change is not told.

    Raises:
        InventoryError: files of the history are missing or damaged.
    """
    name = after.integration.name
    labels: dict[str, Mapping[str, str]] = {}
    changes = []
    not_compared = []
    for table in INVENTORY_TABLES:
        try:
            old, new = (history.read(table, name, each.snapshot_id) for each in (before, after))
        except (OSError, pa.ArrowInvalid) as error:
            raise InventoryError(
                f"{history.root}: a snapshot cannot be read, try again: {error}"
            ) from None
        if table in ASSET_TABLES:
            labels[table.name] = _labels(table, old) | _labels(table, new)
        if was_read(table, before.pull) and was_read(table, after.pull):
            changes.append(_changes(table, (before, old), (after, new), volatile_columns))
        else:
            not_compared.append(table.name)
    return SnapshotDiff(
        before,
        after,
        pa.concat_tables([CHANGES.arrow_schema.empty_table(), *changes]),
        labels,
        tuple(not_compared),
    )


def _changes(
    table: Table,
    before: tuple[Manifest, pa.Table],
    after: tuple[Manifest, pa.Table],
    volatile_columns: Collection[str],
) -> pa.Table:
    pulls = before[0].pull, after[0].pull
    old, new = (read_by_both(table, rows, *pulls) for _, rows in (before, after))
    left_out = columns_not_read(table, *pulls) + table.common_columns(volatile_columns)
    observed_at = after[0].pull.started_at.isoformat()
    return compute_changes(table, old, new, after[0].snapshot_id, observed_at, left_out)


def _labels(table: Table, rows: pa.Table) -> dict[str, str]:
    ids, names = (rows[column].to_pylist() for column in (table.key[0], table.label))
    return {str(each): name for each, name in zip(ids, names, strict=True) if name}
