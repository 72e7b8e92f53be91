"""The command `diff`: print the changes between two snapshots."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import click
import duckdb
import pyarrow as pa

from assets_defs.cli.options import pass_workspace
from pipelines.arrow import hide_pandas
from pipelines.errors import printable
from pipelines.export.output_file import output_file_or_stdout
from pipelines.export.query_results import without_formula, write_result
from pipelines.history.diff import SnapshotDiff, diff_snapshots, select_snapshots
from pipelines.publish.access import list_manifests
from pipelines.schema.model import Table
from pipelines.schema.tables import (
    APPLICATION_USERS,
    CUSTOM_ATTRIBUTES,
    INVENTORY_TABLES,
    SYSTEM_GROUP_ASSOCIATIONS,
    SYSTEM_GROUP_MEMBERS,
    SYSTEM_GROUP_USERS,
    SYSTEM_GROUPS,
    SYSTEM_IPV4_ADDRESSES,
    SYSTEM_LOCAL_ACCOUNTS,
    USER_GROUP_MEMBERS,
    USER_GROUP_SYSTEM_BINDINGS,
    USER_GROUPS,
    USER_SYSTEM_BINDINGS,
    USERS,
)
from pipelines.sql import disable_async_writes
from pipelines.workspace import Workspace

TEXT = "text"
CSV = "csv"
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}

_RELATIONSHIPS = {
    SYSTEM_GROUP_MEMBERS.name: "system {system_id} in group {group_id}",
    SYSTEM_GROUP_USERS.name: "user {user_id} on the systems of group {group_id}",
    SYSTEM_GROUP_ASSOCIATIONS.name: "group {group_id} bound to {target_type} {target_id}",
    APPLICATION_USERS.name: "user {user_id} holds application {application_id}",
    SYSTEM_IPV4_ADDRESSES.name: "system {system_id} has {address} on {interface}",
    SYSTEM_LOCAL_ACCOUNTS.name: "system {system_id} has account {username}",
    USER_GROUP_MEMBERS.name: "user {user_id} in user group {user_group_id}",
    USER_SYSTEM_BINDINGS.name: "user {user_id} bound to system {system_id} itself",
    CUSTOM_ATTRIBUTES.name: "attribute {name} of {asset_type} {asset_id}",
    USER_GROUP_SYSTEM_BINDINGS.name: "user group {user_group_id} bound to system {system_id}",
}
# Tables with the names of the ids that a column holds, other than of the key.
_ID_COLUMNS = {
    "group_ids": SYSTEM_GROUPS.name,
    "manager_id": USERS.name,
    "primary_user_id": USERS.name,
    "system_group_ids": SYSTEM_GROUPS.name,
    "via_user_group_ids": USER_GROUPS.name,
}

Row = Mapping[str, str | None]


@click.command()
@click.argument("snapshots", nargs=-1, metavar="[SNAPSHOT|TIME [SNAPSHOT|TIME]]")
@click.option("--since", metavar="TIME", help="From this time to the latest, as with one TIME")
@click.option("--integration", help="Only this integration")
@click.option("--format", "form", type=click.Choice([TEXT, CSV, "json"]), default=TEXT)
@pass_workspace
def diff(
    workspace: Workspace,
    snapshots: Sequence[str],
    since: str | None,
    integration: str | None,
    form: str,
) -> None:
    """Print what changed: from a snapshot to the latest, or to another SNAPSHOT.

    Without a SNAPSHOT, compares the last two of each integration. A TIME means the last snapshot
    of each at or before it: a date (its end, UTC), 2026-10-01T08:00, or an age such as 7d.
    """
    if len(snapshots) > 2:  # noqa: PLR2004 -- before and after
        raise click.UsageError("give two snapshots at most")
    if since is not None:
        if snapshots:
            raise click.UsageError("--since takes no SNAPSHOT")
        snapshots = [since]
    hide_pandas()
    ignored = workspace.settings().volatile_columns
    manifests = list_manifests(workspace, integration)
    pairs, notes = select_snapshots(manifests, snapshots, datetime.now(UTC))
    for note in notes:
        click.echo(note, err=True)
    history = workspace.open_history()
    differences = [diff_snapshots(history, before, after, ignored) for before, after in pairs]
    for difference in differences:
        if difference.not_compared:
            name, tables = difference.after.integration.name, ", ".join(difference.not_compared)
            click.echo(f"{name}: not compared, because not pulled both times: {tables}", err=True)
    if form != TEXT:
        for difference in differences:
            click.echo(_title(difference), err=True)
        _print_rows(differences, form)
        return
    for line in (line for difference in differences for line in describe(difference)):
        click.echo(line)


def _print_rows(differences: Sequence[SnapshotDiff], form: str) -> None:
    with output_file_or_stdout(None) as file, duckdb.connect() as connection:
        disable_async_writes(connection)
        # By name: DuckDB before 2.0 cannot copy an unnamed Arrow table to a file.
        tables = [difference.to_table() for difference in differences]
        connection.register("differences", pa.concat_tables(tables))
        relation = connection.table("differences").project(
            "* REPLACE (old_value::JSON AS old_value, new_value::JSON AS new_value)"
        )
        if form == CSV:
            relation = relation.project(f"* REPLACE ({without_formula('name')} AS name)")
        write_result(connection, relation, form, file)


def describe(difference: SnapshotDiff) -> Iterator[str]:
    """Yield the difference as lines: for each table the number of changes, then each change."""
    yield _title(difference)
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


def _title(difference: SnapshotDiff) -> str:
    before, after = difference.before, difference.after
    return f"{after.integration.name}: {before.snapshot_id} -> {after.snapshot_id}"


def _counts(rows: Sequence[Row]) -> str:
    ids = {kind: {row["asset_id"] for row in rows if row["change"] == kind} for kind in _SIGNS}
    return ", ".join(f"{len(found):,} {kind}" for kind, found in ids.items() if found)


def _line(difference: SnapshotDiff, table: Table, row: Row) -> str:
    """Return a change as one line: sign, subject and values."""
    asset_id = str(row["asset_id"])
    labels = difference.key_names(table.name, asset_id)
    names = {
        column: printable(_named(value, labels[column]))
        for column, value in difference.parse_key(table.name, asset_id).items()
    }
    subject = _RELATIONSHIPS.get(table.name, f"{{{table.key[0]}}}").format(**names)
    if row["change"] == "changed":
        column = str(row["column_name"])
        old, new = (
            printable(_with_names(difference, column, row[side]))
            for side in ("old_value", "new_value")
        )
        return f"    ~ {subject} {column}: {old} -> {new}"
    value = json.loads(row["new_value"] or row["old_value"] or "{}")
    return f"    {_SIGNS[str(row['change'])]} {subject}{printable(_terms(difference, value))}"


def _named(value: str, label: str) -> str:
    return value if label == value else f"{label} ({value})"


def _with_names(difference: SnapshotDiff, column: str, value: str | None) -> str:
    """Return a value as JSON, with the name next to each id."""
    if value is None:
        return "null"
    if column not in _ID_COLUMNS:
        return value
    table, ids = _ID_COLUMNS[column], json.loads(value)
    if isinstance(ids, list):
        named = [_named(one, difference.label(table, one)) for one in ids]
        return json.dumps(named, ensure_ascii=False)
    return json.dumps(_named(ids, difference.label(table, ids)), ensure_ascii=False)


def _terms(difference: SnapshotDiff, row: Mapping[str, object]) -> str:
    """Return the conditions of an access."""
    terms = ""
    groups = row.get("via_user_group_ids")
    if isinstance(groups, list) and groups and not row.get("direct"):
        names = [_named(group, difference.label(USER_GROUPS.name, group)) for group in groups]
        terms += f", through user group {' and '.join(names)}"
    if row.get("sudo_without_password"):
        return f"{terms}, with sudo without password"
    return f"{terms}, with sudo" if row.get("sudo") else terms
