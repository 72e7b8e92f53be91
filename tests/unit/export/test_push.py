"""Files sent to a directory or an object store after a publication."""

import csv
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb
import obstore
import pyarrow.parquet as pq
import pytest
from obstore.store import from_url

from pipelines import open_inventory
from pipelines.config.exports import CsvExport, OcsfExport
from pipelines.errors import InventoryError
from pipelines.export.push import PushedFile, push_events, push_imports
from pipelines.simulator import Sizes, generate
from tests.support.publisher import Publisher, Pulled, on_day

if TYPE_CHECKING:
    from tests.support.s3 import S3Server

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)
LAKE = "s3://inventory/ext"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def published(home: Path, pull: Callable[..., Pulled]) -> Publisher:
    """Return what is published once for all tests, which only read it."""
    publisher = Publisher(home)
    if not publisher.file.exists():
        organization = generate(sizes=SMALL)
        organization.add_user(displayname="=cmd|' /C calc'!A0")
        # A device without a record: the graph names it, and no list has it.
        organization.add_member(next(iter(organization.system_groups)), organization.ids.new())
        pulled = pull(organization)
        publisher.publish(on_day(0, pulled), "acme")
        publisher.publish(on_day(0, pulled), "other")
    return publisher


def push_lake(published: Publisher, to: str, account: str | None = None) -> list[PushedFile]:
    export = OcsfExport(to=to, region="eu-central-1", account_id=account)
    with open_inventory(published.file) as connection:
        return push_events(connection, "acme", export)


def test_lake_has_one_class_a_file(published: Publisher, tmp_path: Path) -> None:
    pushed = push_lake(published, str(tmp_path))
    partition = "region=eu-central-1/accountId=external_acme/eventDay=20240130"
    assert [file.place for file in pushed] == [
        f"{tmp_path}/jumpcloud-{name}/{partition}/acme-20240130T080000Z.parquet"
        for name in ("devices", "users", "findings")
    ]
    for file, class_uid in zip(pushed, (5001, 5003, 2003), strict=True):
        rows = pq.read_table(Path(file.place), partitioning=None).to_pylist()
        assert len(rows) == file.rows > 0
        assert {row["class_uid"] for row in rows} == {class_uid}
        assert {row["metadata"]["version"] for row in rows} == {"1.3.0"}
        assert sorted(row["time"] for row in rows) == [row["time"] for row in rows]
    query = "SELECT DISTINCT region, accountId, eventDay::TEXT FROM read_parquet(?)"
    found = duckdb.execute(query, [f"{tmp_path}/jumpcloud-users/**/*.parquet"]).fetchall()
    assert found == [("eu-central-1", "external_acme", "20240130")]


def test_second_push_replaces_the_same_files(
    publisher: Publisher, pull: Callable[..., Pulled], tmp_path: Path
) -> None:
    pulled = pull(generate(sizes=SMALL))
    publisher.publish(on_day(0, pulled), "acme")
    first = push_lake(publisher, str(tmp_path), "123456789012")
    before = {file.place: Path(file.place).read_bytes() for file in first}
    # A killed process leaves this; nobody reads it, and the next push replaces it.
    leftover = Path(first[0].place).with_name(".acme-20240130T080000Z.parquet.new")
    leftover.write_bytes(b"PAR1")
    assert push_lake(publisher, str(tmp_path), "123456789012") == first
    files = {str(path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert files.keys() == before.keys()
    publisher.publish(on_day(1, pulled), "acme")
    second = push_lake(publisher, str(tmp_path), "123456789012")
    assert all("accountId=123456789012/eventDay=20240131" in file.place for file in second)
    assert {str(path) for path in tmp_path.rglob("*.parquet")} == {
        file.place for file in first + second
    }


def test_object_store_gets_whole_objects(published: Publisher, s3: "S3Server") -> None:
    pushed = push_lake(published, LAKE)
    store = from_url(LAKE)
    for file in pushed:
        content = obstore.get(store, file.place.removeprefix(f"{LAKE}/")).bytes()
        assert pq.read_metadata(BytesIO(content)).num_rows == file.rows
    assert push_lake(published, LAKE) == pushed
    s3.is_refused = lambda request: request.is_write and "users" in request.path
    with pytest.raises(InventoryError) as refused:
        push_lake(published, LAKE)
    assert str(refused.value) == (
        f"{LAKE}: cannot be written (the credentials of the environment were rejected)"
    )


def test_imports_refer_to_each_other_by_their_key(published: Publisher, tmp_path: Path) -> None:
    files: dict[str, list[dict[str, str]]] = {}
    with open_inventory(published.file) as connection:
        for program in ("jira-assets", "servicenow"):
            export = CsvExport(to=str(tmp_path))
            for file in push_imports(connection, "acme", program, export):
                assert file.place == f"{tmp_path}/{program}/acme/{file.name}.csv"
                with Path(file.place).open(newline="", encoding="utf-8") as lines:
                    rows = files[f"{program}/{file.name}"] = list(csv.DictReader(lines))
                assert len(rows) == file.rows > 0
                keys = [next(iter(row.values())) for row in rows]
                assert len(set(keys)) == len(keys)
                assert all(key.startswith("acme/") for key in keys)
                assert not [text for row in rows for text in row.values() if text[:1] in set("=+@")]
    devices = files["jira-assets/devices"]
    assert len(devices) == len(files["servicenow/computers"]) == SMALL.systems
    assert len(published.rows("FROM systems WHERE integration = 'acme'")) == SMALL.systems + 1
    groups = {row["External ID"] for row in files["jira-assets/device_groups"]}
    used = [row["Groups"].split("||") for row in devices if row["Groups"]]
    assert used
    assert {group for list_ in used for group in list_} <= groups
    users = {row["External ID"] for row in files["jira-assets/users"]}
    assert {row["Primary user"] for row in devices} & users
    assert all(row["Name"] for name in ("devices", "users") for row in files[f"jira-assets/{name}"])
    assert "'=cmd|' /C calc'!A0" in {row["Name"] for row in files["jira-assets/users"]}


def test_missing_destination_and_inventory_are_errors(published: Publisher, tmp_path: Path) -> None:
    missing = tmp_path / "not_mounted"
    with pytest.raises(InventoryError, match="not a directory"):
        push_lake(published, str(missing))
    assert not missing.exists()
    (tmp_path / "jumpcloud-devices").touch()
    with pytest.raises(InventoryError, match="cannot be written"):
        push_lake(published, str(tmp_path))
    with (
        open_inventory(published.file) as connection,
        pytest.raises(InventoryError, match="absent: no inventory has been published"),
    ):
        push_imports(connection, "absent", "servicenow", CsvExport(to=str(tmp_path)))
