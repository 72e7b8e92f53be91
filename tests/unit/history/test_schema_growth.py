"""Files of the first version stay readable; columns added later are NULL in them."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from pipelines.config.thresholds import Thresholds
from pipelines.history import commit
from pipelines.history.commit import PulledTables, commit_snapshot
from pipelines.history.manifest import Manifest
from pipelines.history.store import SnapshotStore
from pipelines.publish import database
from pipelines.publish.database import build_duckdb_file
from pipelines.schema.columns import SYSTEM_FIELDS
from pipelines.schema.model import SEEN, Column, Table
from pipelines.schema.tables import (
    CHANGES,
    INVENTORY_TABLES,
    SNAPSHOTS,
    SYSTEM_IP_ADDRESSES,
    SYSTEMS,
    TABLES,
)
from tests.support import DATA
from tests.support.publisher import Publisher, Rows

# Written by tests/data/write_first_version.py
FIRST_VERSION = DATA / "first_version" / "history"
FIRST_TABLES = [
    table
    for table in (*INVENTORY_TABLES, SNAPSHOTS, CHANGES)
    if (FIRST_VERSION / table.name).exists()
]
# Rows of tables that the first version did not have.
NEW_ROWS: dict[str, dict[str, object]] = {
    "system_ip_addresses": {"integration": "acme", "address": "2a00::1", "family": 6},
    "system_local_accounts": {"integration": "acme", "system_id": "s", "username": "root"},
}
SITE = Column("site", "TEXT", "Where it stands", is_added=True)
GROWN = replace(SYSTEMS, columns=(*SYSTEMS.columns, SITE))


@pytest.fixture
def publisher(fast_tmp_path: Path) -> Publisher:
    """Return the publisher of a data directory that the first version wrote."""
    shutil.copytree(FIRST_VERSION, fast_tmp_path / "history")
    return Publisher(fast_tmp_path)


@pytest.fixture
def grown_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the contract by that of a later version."""
    tables = tuple(GROWN if table is SYSTEMS else table for table in INVENTORY_TABLES)
    for module in (database, commit):
        monkeypatch.setattr(module, "INVENTORY_TABLES", tables)
    monkeypatch.setattr(database, "TABLES", TABLES | {GROWN.name: GROWN})


def first(history: SnapshotStore) -> Manifest:
    (manifest,) = history.manifests()
    return manifest


def publish_again(
    publisher: Publisher, edit: Callable[[Table, pa.Table], pa.Table] = lambda _, rows: rows
) -> Manifest:
    """Publish the tables of the latest snapshot, edited, as a pull half a day later."""
    history = publisher.history
    latest = history.manifests()[-1]

    def pulled(name: str) -> pa.Table:
        if name not in latest.sha256:
            new = [NEW_ROWS[name]] if name in NEW_ROWS else []
            return pa.Table.from_pylist(new, TABLES[name].arrow_schema)
        rows = history.read(TABLES[name], "acme", latest.snapshot_id)
        names = [n for n in rows.column_names if n not in {"first_seen_at", "last_seen_at"}]
        # A pull returns all columns of this version's contract.
        columns = TABLES[name].arrow_schema.empty_table()
        rows = pa.concat_tables([columns, rows.select(names)], promote_options="default")
        return edit(TABLES[name], rows)

    pull = latest.pull.model_copy(
        update={"started_at": latest.pull.started_at + timedelta(hours=12)}
    )
    proofs = pa.table({name: pa.array([], pa.string()) for name in ("endpoint", "proof")})
    tables = PulledTables(pull, proofs, pulled)
    manifest = commit_snapshot(history, latest.integration, tables, "run-2")
    build_duckdb_file(history, publisher.file)
    return manifest


def with_site(sites: list[str | None]) -> Callable[[Table, pa.Table], pa.Table]:
    def edit(table: Table, rows: pa.Table) -> pa.Table:
        if table.name != GROWN.name:
            return rows
        known = [name for name in rows.column_names if name != "site"]
        return rows.select(known).append_column("site", pa.array(sites, pa.string()))

    return edit


def without_site(table: Table, rows: pa.Table) -> pa.Table:
    return rows.drop_columns("site") if table.name == GROWN.name else rows


def changes(publisher: Publisher) -> Rows:
    return publisher.rows("SELECT asset_type, column_name, change, new_value FROM changes")


def test_snapshot_of_first_version_is_published(publisher: Publisher) -> None:
    build_duckdb_file(publisher.history, publisher.file)
    manifest = first(publisher.history)
    for table in INVENTORY_TABLES:
        (count,) = publisher.rows(f"SELECT count(*) AS n FROM {table.name}")
        # The first version had fewer tables.
        assert count["n"] == manifest.rows.get(table.name, 0)
    (row,) = publisher.rows("FROM snapshots")
    assert (row["snapshot_id"], row["api_calls"]) == (manifest.snapshot_id, 29)


def test_file_format_is_readable_by_duckdb_1_2(publisher: Publisher) -> None:
    build_duckdb_file(publisher.history, publisher.file)
    with publisher.file.open("rb") as file:
        header = file.read(20)
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:], "little") <= 65


def test_new_snapshot_is_compared_with_first_version(publisher: Publisher) -> None:
    def rename(table: Table, rows: pa.Table) -> pa.Table:
        if table is SYSTEM_IP_ADDRESSES:
            return rows.slice(1)  # a temporary address, which `changes` leaves out
        if table is not SYSTEMS:
            return rows
        names = pa.array(["renamed", *rows["hostname"].to_pylist()[1:]])
        return rows.set_column(rows.schema.get_field_index("hostname"), "hostname", names)

    publish_again(publisher)
    assert changes(publisher) == []
    assert publisher.rows("SELECT address FROM system_ip_addresses") == [{"address": "2a00::1"}]
    publish_again(publisher, rename)
    assert changes(publisher) == [
        {
            "asset_type": "systems",
            "column_name": "hostname",
            "change": "changed",
            "new_value": '"renamed"',
        }
    ]
    seen = publisher.rows("SELECT DISTINCT first_seen_at FROM systems")
    assert seen == [{"first_seen_at": publisher.history.manifests()[0].pull.started_at}]


def test_corrected_values_do_not_change_every_asset(publisher: Publisher) -> None:
    def with_root_login(*, value: bool | None) -> Callable[[Table, pa.Table], pa.Table]:
        def edit(table: Table, rows: pa.Table) -> pa.Table:
            if table is not SYSTEMS:
                return rows
            values = pa.array([value] * rows.num_rows, pa.bool_())
            names = rows.column_names
            return rows.set_column(names.index("ssh_root_login"), "ssh_root_login", values)

        return edit

    publish_again(publisher, with_root_login(value=None))
    assert changes(publisher) == []
    publish_again(publisher, with_root_login(value=True))
    assert {row["column_name"] for row in changes(publisher)} == {"ssh_root_login"}


def test_column_unknown_to_first_version_gives_no_finding(publisher: Publisher) -> None:
    build_duckdb_file(publisher.history, publisher.file)
    assert publisher.rows("SELECT DISTINCT policies_failed, policies_total FROM systems") == [
        {"policies_failed": None, "policies_total": None}
    ]
    assert publisher.rows("FROM findings.systems_with_failing_policies") == []
    # Its manifest has no thresholds, so the defaults apply.
    assert publisher.rows("FROM findings.thresholds") == [
        {"integration": "acme", **Thresholds().model_dump()}
    ]


def test_added_columns_come_last(publisher: Publisher) -> None:
    build_duckdb_file(publisher.history, publisher.file)
    part = publisher.history.part("systems", "acme", first(publisher.history).snapshot_id)
    before = ["integration", *pq.read_schema(part).names]
    names = [
        str(row["column_name"])
        for row in publisher.rows("SELECT column_name FROM (DESCRIBE systems)")
    ]
    assert names[: len(before)] == before
    assert names[len(before) :] == [
        "policies_total",
        "policies_failed",
        "active_user_count",
        "recovery_key_present",
        "hardware_vendor",
        "hardware_kind",
        "ssh_managed",
        *(column.name for column in SYSTEM_FIELDS),
    ]


@pytest.mark.usefixtures("grown_contract")
def test_added_column_is_null_in_old_snapshots(publisher: Publisher) -> None:
    build_duckdb_file(publisher.history, publisher.file)
    assert publisher.rows("SELECT DISTINCT site FROM systems") == [{"site": None}]


@pytest.mark.usefixtures("grown_contract")
def test_added_column_does_not_change_every_asset(publisher: Publisher) -> None:
    count = first(publisher.history).rows["systems"]
    publish_again(publisher, with_site(["Berlin"] * count))
    assert changes(publisher) == []
    assert publisher.rows("SELECT DISTINCT site FROM systems") == [{"site": "Berlin"}]
    publish_again(publisher, with_site(["Kyoto", *["Berlin"] * (count - 1)]))
    assert changes(publisher) == [
        {
            "asset_type": "systems",
            "column_name": "site",
            "change": "changed",
            "new_value": '"Kyoto"',
        }
    ]


@pytest.mark.usefixtures("grown_contract")
def test_older_version_reads_snapshots_of_a_later_one(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = first(publisher.history).rows["systems"]
    publish_again(publisher, with_site(["Berlin"] * count))
    monkeypatch.undo()
    build_duckdb_file(publisher.history, publisher.file)
    assert publisher.rows("FROM systems LIMIT 1")[0].keys() == {
        column.name for column in SYSTEMS.published_columns
    }
    publish_again(publisher, without_site)
    assert changes(publisher) == []


@pytest.mark.parametrize("table", FIRST_TABLES, ids=lambda t: t.name)
def test_columns_of_first_version_are_unchanged(table: Table) -> None:
    (part,) = FIRST_VERSION.glob(f"{table.name}/*/*/*.parquet")
    written = pq.read_schema(part)
    for column in written:
        assert table.published_schema.field(column.name) == column
    pulled = [column for column in written if column.name not in {seen.name for seen in SEEN}]
    assert [*table.arrow_schema][1 : len(pulled) + 1] == pulled


@pytest.mark.usefixtures("grown_contract")
def test_history_of_several_versions_is_one_dataset(publisher: Publisher) -> None:
    old = first(publisher.history)
    count = old.rows["systems"]
    new = publish_again(publisher, with_site(["Berlin"] * count))
    for table in FIRST_TABLES:
        folder = publisher.history.root / table.name
        by_duckdb = duckdb.execute(
            f"SELECT snapshot, count(*) FROM read_parquet('{folder}/**/*.parquet', "
            "hive_partitioning = true, union_by_name = true) GROUP BY ALL"
        ).fetchall()
        rows = {snapshot_id: n for snapshot_id, n in by_duckdb if n}
        by_arrow = ds.dataset(folder, partitioning="hive").to_table().group_by("snapshot")
        counts = by_arrow.aggregate([([], "count_all")]).to_pylist()
        assert {row["snapshot"]: row["count_all"] for row in counts} == rows
        if table in INVENTORY_TABLES:
            assert set(rows.values()) == {old.rows[table.name]}
    folder = publisher.history.root / "systems"
    sites = duckdb.execute(
        f"SELECT snapshot, site, count(*) FROM read_parquet('{folder}/**/*.parquet', "
        "hive_partitioning = true, union_by_name = true) GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert sites == [(old.snapshot_id, None, count), (new.snapshot_id, "Berlin", count)]
    # An Arrow dataset has the columns of its first file unless a schema is passed.
    parts = ds.dataset(folder, partitioning="hive").get_fragments()
    schema = pa.unify_schemas([part.physical_schema for part in parts])
    assert ds.dataset(folder, schema).to_table()["site"].null_count == count
