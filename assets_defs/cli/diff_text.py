"""A difference in words, one line for each change."""

import json
from collections.abc import Iterator, Mapping, Sequence

from pipelines.errors import printable
from pipelines.history.diff import SnapshotDiff
from pipelines.schema.model import Table
from pipelines.schema.tables import (
    APPLICATION_USERS,
    INVENTORY_TABLES,
    SYSTEM_GROUP_ASSOCIATIONS,
    SYSTEM_GROUP_MEMBERS,
    SYSTEM_GROUP_USERS,
    SYSTEM_IPV4_ADDRESSES,
)

_SIGNS = {"added": "+", "removed": "-", "changed": "~"}

_RELATIONSHIPS = {
    SYSTEM_GROUP_MEMBERS.name: "system {system_id} in group {group_id}",
    SYSTEM_GROUP_USERS.name: "user {user_id} on the systems of group {group_id}",
    SYSTEM_GROUP_ASSOCIATIONS.name: "group {group_id} bound to {target_type} {target_id}",
    APPLICATION_USERS.name: "user {user_id} holds application {application_id}",
    SYSTEM_IPV4_ADDRESSES.name: "system {system_id} has {address} on {interface}",
}

Row = Mapping[str, str | None]


def describe(difference: SnapshotDiff) -> Iterator[str]:
    """The difference, grouped by table: how many rows came, went and changed, and each of them."""
    before, after = difference.before, difference.after
    yield f"{after.integration.name}: {before.snapshot_id} -> {after.snapshot_id}"
    rows: Sequence[Row] = difference.changes.to_pylist()
    if not rows:
        yield "  no changes"
    for table in INVENTORY_TABLES:
        own = [row for row in rows if row["asset_type"] == table.name]
        if own:
            yield f"  {table.name}: {_counts(own)}"
            yield from sorted(
                (_line(difference, table, row) for row in own),
                key=lambda line: (list(_SIGNS.values()).index(line.strip()[0]), line.lower()),
            )


def _counts(rows: Sequence[Row]) -> str:
    ids = {kind: {row["asset_id"] for row in rows if row["change"] == kind} for kind in _SIGNS}
    return ", ".join(f"{len(each):,} {kind}" for kind, each in ids.items() if each)


def _line(difference: SnapshotDiff, table: Table, row: Row) -> str:
    """Sign, what it is about, and what of it."""
    key = difference.parse_key(table.name, str(row["asset_id"]))
    references = {table.key[0]: table.name} if table.is_asset else table.references
    names = {}
    for column, value in key.items():
        label = difference.label(references.get(column, ""), value)
        names[column] = printable(value if label == value else f"{label} ({value})")
    subject = _RELATIONSHIPS.get(table.name, f"{{{table.key[0]}}}").format(**names)
    if row["change"] == "changed":
        old, new = (printable(row[side] or "null") for side in ("old_value", "new_value"))
        return f"    ~ {subject} {row['column_name']}: {old} -> {new}"
    value = json.loads(row["new_value"] or row["old_value"] or "{}")
    return f"    {_SIGNS[str(row['change'])]} {subject}{_terms(value)}"


def _terms(row: Mapping[str, object]) -> str:
    """How an access is granted."""
    terms = ""
    through = row.get("via_user_group_ids")
    if isinstance(through, list) and through and not row.get("direct"):
        terms += f", through user group {' and '.join(through)}"
    if row.get("sudo_without_password"):
        return f"{terms}, with sudo without password"
    return f"{terms}, with sudo" if row.get("sudo") else terms
