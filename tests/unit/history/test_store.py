"""Snapshots in a local folder: commits, ids, orphans and the tables published from them."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow.dataset as ds
import pytest

from pipelines.findings.catalog import FINDING_VIEWS
from pipelines.history.store import SnapshotStore, order_of_time
from pipelines.publish.database import build_duckdb_file
from pipelines.schema.macros import MACROS
from pipelines.schema.tables import TABLES
from pipelines.schema.views import VIEWS
from pipelines.simulator import Organization, Sizes, generate
from tests.support.publisher import Publisher, Pulled, Rows, on_day

SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)


@pytest.fixture
def organization() -> Organization:
    return generate(sizes=SMALL)


def test_file_has_the_contract_with_comments(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.publish(pull(organization))
    columns = publisher.rows(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE NOT internal"
    )
    found = [
        (row["table_name"], row["column_name"], row["data_type"], row["comment"])
        for row in columns
        if row["table_name"] in TABLES
    ]
    spelled = {"TEXT": "VARCHAR", "TEXT[]": "VARCHAR[]", "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE"}
    assert sorted(found) == sorted(
        (table.name, column.name, spelled.get(column.type, column.type), column.description)
        for table in TABLES.values()
        for column in table.published_columns
    )
    views = publisher.rows("SELECT view_name, comment FROM duckdb_views() WHERE NOT internal")
    assert {row["view_name"]: row["comment"] for row in views} == {
        view.name: view.description for view in (*VIEWS, *FINDING_VIEWS)
    }
    macros = publisher.rows(
        "SELECT function_name, parameters, comment FROM duckdb_functions() WHERE NOT internal"
    )
    assert {row["function_name"]: (row["parameters"], row["comment"]) for row in macros} == {
        macro.name: ([*macro.parameters], macro.description) for macro in MACROS
    }


def test_file_has_the_storage_format_of_duckdb_1_2(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.publish(pull(organization))
    (row,) = publisher.rows("SELECT tags FROM duckdb_databases() WHERE database_name = 'inventory'")
    assert "v1.2" in str(row["tags"])


def test_open_connection_keeps_its_inventory(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.publish(pull(organization))
    count = "SELECT count(*) FROM systems"
    with duckdb.connect(publisher.file, read_only=True) as reader:
        before = reader.execute(count).fetchone()
        organization.add_system()
        publisher.publish(pull(organization))
        assert reader.execute(count).fetchone() == before == (SMALL.systems,)
    assert publisher.rows(count) == [{"count_star()": SMALL.systems + 1}]
    leftovers = sorted(path.name for path in publisher.home.iterdir())
    assert leftovers == [".inventory.duckdb.seal", "history", "inventory.duckdb"]


def test_changes_have_added_removed_and_changed_rows(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.publish(pull(organization))
    gone, changed = list(organization.users)[:2]
    before = publisher.rows(f"SELECT department FROM users WHERE user_id = '{changed}'")[0]
    organization.update(changed, department="Polar Research")
    organization.remove_user(gone)
    new = organization.add_user(username="new.person")
    latest = publisher.publish(pull(organization))

    users = publisher.rows(
        "SELECT asset_id, column_name, change, old_value, new_value, snapshot_id FROM changes "
        "WHERE asset_type = 'users' ORDER BY change, asset_id"
    )
    assert {(row["asset_id"], row["change"]) for row in users} >= {
        (gone, "removed"),
        (new, "added"),
    }
    (moved,) = [row for row in users if row["column_name"] == "department"]
    assert moved == {
        "asset_id": changed,
        "column_name": "department",
        "change": "changed",
        "old_value": json.dumps(before["department"]),
        "new_value": '"Polar Research"',
        "snapshot_id": latest.snapshot_id,
    }
    (added,) = [row for row in users if row["change"] == "added"]
    assert json.loads(str(added["new_value"]))["username"] == "new.person"
    assert (added["column_name"], added["old_value"]) == ("", None)
    removed_bindings = publisher.rows(
        f"FROM changes WHERE asset_type = 'system_group_users' AND asset_id LIKE '%/{gone}'"
    )
    assert {row["change"] for row in removed_bindings} <= {"removed"}


def test_equal_tables_have_no_changes(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.commit(pull(organization))
    publisher.publish(pull(organization))
    assert publisher.rows("FROM changes") == []


def test_table_that_was_not_pulled_is_not_removed(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    publisher.commit(pull(organization))
    publisher.publish(pull(organization, details=False))
    types = publisher.rows("SELECT DISTINCT asset_type FROM changes WHERE change = 'removed'")
    assert types == []


def test_first_seen_survives_an_absence(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    system_id = next(iter(organization.systems))
    record = dict(organization.systems[system_id])
    first = publisher.commit(pull(organization)).pull.started_at
    organization.remove_system(system_id)
    publisher.commit(pull(organization))
    with organization.edit():
        organization.systems[system_id] = record
        organization.deleted.discard(system_id)
    last = publisher.publish(pull(organization)).pull.started_at
    (row,) = publisher.rows(f"FROM systems WHERE system_id = '{system_id}'")
    assert (row["first_seen_at"], row["last_seen_at"]) == (first, last)


def test_history_is_one_hive_partitioned_dataset(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    ids = [publisher.commit(pull(organization)).snapshot_id for _ in range(2)]
    folder = publisher.history.root / "systems"
    by_arrow = ds.dataset(folder, partitioning="hive").to_table()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        by_duckdb = connection.sql(
            "SELECT snapshot, integration, count(*) AS n "
            f"FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true) "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    assert by_duckdb == [(snapshot_id, "acme", SMALL.systems) for snapshot_id in sorted(ids)]
    assert by_arrow.num_rows == 2 * SMALL.systems
    names = [column.name for column in TABLES["systems"].published_columns[1:]]
    assert by_arrow.column_names == [*names, "integration", "snapshot"]


def test_pulls_in_the_same_second_have_different_ids(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    pulled = on_day(0, pull(organization))
    first = publisher.commit(pulled)
    again = publisher.commit(pulled)
    assert again == first
    later = pulled.pull.started_at + timedelta(microseconds=1)
    assert publisher.commit(pulled.moved_to(later)).snapshot_id == f"{first.snapshot_id}_2"
    assert first.snapshot_id == f"{first.pull.started_at:%Y%m%dT%H%M%SZ}"


def test_ids_of_earlier_versions_keep_their_order() -> None:
    ids = ["20240130T080000Z", "20240130T080000Z-2", "20240130T080000Z_3", "20240130T080001Z"]
    assert sorted({*ids}, key=order_of_time) == ids


def test_integrations_are_kept_apart(pull: Callable[..., Pulled], publisher: Publisher) -> None:
    one, two = generate(1, SMALL), generate(2, SMALL)
    publisher.commit(pull(one), "one")
    publisher.commit(pull(two), "two")
    publisher.publish(pull(one), "one")
    counts = publisher.rows(
        "SELECT integration, count(*) AS n FROM users GROUP BY ALL ORDER BY ALL"
    )
    assert counts == [{"integration": name, "n": SMALL.users} for name in ("one", "two")]
    snapshots = publisher.rows(
        "SELECT integration, count(*) AS n FROM snapshots GROUP BY ALL ORDER BY ALL"
    )
    assert [row["n"] for row in snapshots] == [2, 1]


def test_snapshot_without_manifest_is_removed(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    first = publisher.commit(pull(organization))
    half = publisher.history.part("systems", "acme", "20000101T000000Z")
    half.parent.mkdir(parents=True)
    half.write_bytes(b"PAR1 cut short")
    build_duckdb_file(publisher.history, publisher.file)
    assert publisher.rows("SELECT snapshot_id FROM snapshots") == [
        {"snapshot_id": first.snapshot_id}
    ]
    publisher.commit(pull(organization))
    assert not half.parent.exists()


def test_metadata_tables_describe_the_pull(
    organization: Organization, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    pulled = pull(organization)
    manifest = publisher.publish(pulled)
    (snapshot,) = publisher.rows("FROM snapshots")
    assert snapshot["api_calls"] == len(pulled.server.calls)
    assert json.loads(str(snapshot["rows"]))["systems"] == SMALL.systems
    lists = json.loads(str(snapshot["completeness"]))
    # Direct bindings are read from one end.
    assert set(pulled.pull.tables) - {row["endpoint"] for row in lists} == {"systems_associations"}
    proofs = publisher.rows("SELECT * EXCLUDE (integration) FROM completeness ORDER BY ALL")
    assert (
        proofs
        == pulled.pull.completeness.sort_by(
            [(name, "ascending") for name in pulled.pull.completeness.column_names]
        ).to_pylist()
    )
    assert len(proofs) > len(lists)
    started, finished = snapshot["started_at"], snapshot["finished_at"]
    assert isinstance(started, datetime)
    assert isinstance(finished, datetime)
    assert timedelta(0) < finished - started
    (integration,) = publisher.rows("FROM integrations")
    assert integration["last_snapshot_id"] == manifest.snapshot_id
    assert integration["systems"] == SMALL.systems


def test_empty_history_gives_empty_tables(fast_tmp_path: Path) -> None:
    publisher = Publisher(fast_tmp_path)
    build_duckdb_file(SnapshotStore(fast_tmp_path / "history"), publisher.file)
    for name in [*TABLES, *(view.name for view in VIEWS)]:
        empty: Rows = []
        assert publisher.rows(f"FROM {name}") == empty


def test_file_in_place_of_an_integration_is_ignored(tmp_path: Path) -> None:
    manifests = tmp_path / "_manifests"
    manifests.mkdir()
    (manifests / "integration=acme").touch()
    assert SnapshotStore(tmp_path).snapshots() == {}
