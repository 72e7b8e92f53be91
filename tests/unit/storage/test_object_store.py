"""Unexpected objects and responses of an object store are reported, and do no harm."""

from collections.abc import Callable
from pathlib import Path
from threading import Barrier

import pytest

from pipelines.errors import InventoryError
from pipelines.publish.database import update_duckdb_file
from pipelines.simulator import generate
from pipelines.storage.object_store import ObjectStore, ObjectStoreError
from tests.support.machines import SMALL, URL, Machine, ids_seen_by
from tests.support.publisher import Pulled, on_day, tables_in
from tests.support.s3 import S3Request, S3Server


def test_damaged_or_missing_object_is_named(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine]
) -> None:
    one, other = machine("one"), machine("other")
    manifest = one.publish(on_day(0, pull(generate(sizes=SMALL))))
    key = f"history/users/integration=acme/snapshot={manifest.snapshot_id}/part-0.parquet"
    one.store.put(key, b"damaged")
    with pytest.raises(InventoryError, match=f"{URL}/{key}: damaged"):
        update_duckdb_file(other.history, other.file)
    assert not other.file.exists()
    one.store.delete([key])
    with pytest.raises(InventoryError, match=f"{URL}/{key}: not found"):
        update_duckdb_file(other.history, other.file)


@pytest.mark.parametrize("place", [b'"snapshots"', b'"snapshot_id"'])
def test_index_of_a_later_version_is_not_overwritten(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], place: bytes
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one = machine("one")
    one.publish(on_day(0, pulled))
    key = "history/_manifests/integration=acme/index.json"
    found = one.store.get(key)
    assert found
    later = found[0].replace(place, b'"added": 1, ' + place)
    one.store.put(key, later)
    with pytest.raises(InventoryError, match=f"{URL}/{key}: not an index that this version can"):
        one.publish(on_day(1, pulled))
    left = one.store.get(key)
    assert left
    assert left[0] == later


def test_snapshot_of_the_future_is_removed_from_the_index(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine]
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one = machine("one")
    future = one.publish(on_day(9, pulled)).snapshot_id
    key = "history/_manifests/integration=acme/index.json"
    with pytest.raises(InventoryError, match=f"remove {future} from {URL}/{key}; then run"):
        one.publish(on_day(1, pulled))
    one.store.put(key, b'{"snapshots": []}')
    latest = one.publish(on_day(1, pulled))
    assert ids_seen_by(one) == [latest.snapshot_id]
    assert tables_in(one.file)["snapshots"][0][0:2] == ("acme", latest.snapshot_id)


def test_other_objects_are_not_integrations(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine]
) -> None:
    one = machine("one")
    one.publish(on_day(0, pull(generate(sizes=SMALL))))
    # Left by an interrupted `check_conditions`, and by other programs.
    for key in ("history/_manifests/.probe-1", "history/.DS_Store", "history/users/.keep"):
        one.store.put(key, b"1")
    assert one.history.integrations() == ["acme"]
    assert one.history.snapshots().keys() == {"acme"}


def test_dropped_integration_leaves_no_object(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine]
) -> None:
    pulled = pull(generate(sizes=SMALL))
    one, other = machine("one"), machine("other")
    one.publish(on_day(0, pulled))
    one.publish(on_day(0, pulled), name="kept")
    other.history.drop_integration("acme")
    assert one.history.snapshots().keys() == {"kept"}
    assert {key for key, _ in one.store.objects("history") if "acme" in key} == set()
    assert one.history.manifests()


def test_indexes_are_read_concurrently(machine: Callable[[str], Machine], s3: S3Server) -> None:
    names = ["acme", "bolt", "cord", "dock"]
    all_asked = Barrier(len(names), timeout=60)

    def is_late(request: S3Request) -> bool:
        if request.path.endswith("/index.json"):
            all_asked.wait()
        return False

    s3.is_refused = is_late
    assert machine("one").history.latest_by_integration(names) == dict.fromkeys(names)


def test_missing_object_does_not_stop_a_removal(fast_tmp_path: Path) -> None:
    # Like Google Cloud Storage and Azure, a local store fails to remove a missing object.
    store = ObjectStore(fast_tmp_path.as_uri())
    store.put("folder/left", b"")
    store.delete(["folder/gone", "folder/left"])
    store.delete(["folder/gone"])
    store.delete([])
    assert store.objects("folder") == []


def test_store_without_conditional_writes_is_rejected(
    pull: Callable[..., Pulled], machine: Callable[[str], Machine], s3: S3Server
) -> None:
    one = machine("one")
    s3.has_conditions = False
    with pytest.raises(ObjectStoreError, match="supports If-Match and If-None-Match"):
        one.publish(on_day(0, pull(generate(sizes=SMALL))))
    assert list(one.store.objects("history")) == []


def test_store_errors_contain_no_secret(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ObjectStoreError, match=r"s3://no-such/prefix: .*there is no such bucket"):
        ObjectStore("s3://no-such/prefix").get("index.json")
    with pytest.raises(ObjectStoreError, match=r"s3://no-such/prefix: .*there is no such bucket"):
        ObjectStore("s3://no-such/prefix").names("integrations")
    s3.is_refused = lambda _: True
    with pytest.raises(ObjectStoreError, match=r"credentials .* were rejected") as refused:
        ObjectStore(URL).put("index.json", b"")
    with pytest.raises(ObjectStoreError, match=r"credentials .* were rejected"):
        ObjectStore(URL).names("history")
    monkeypatch.setattr("pipelines.storage.object_store._RETRIES", {"max_retries": 0})
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(ObjectStoreError, match="no response") as silent:
        ObjectStore(URL).get("index.json")
    for error in (refused, silent):
        shown = "".join(map(str, error.traceback)) + repr(error.value) + str(error.value)
        assert "test-secret-access-key" not in shown
        assert error.value.__cause__ is error.value.__context__ is None


@pytest.mark.parametrize("address", ["localhost:9000", "minio", "http://", "s3://bucket"])
def test_invalid_endpoint_url_is_rejected(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    with pytest.raises(ObjectStoreError, match="AWS_ENDPOINT_URL is not a URL; use https://"):
        ObjectStore(URL).get("index.json")


def test_endpoint_without_tls_is_rejected(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    assert s3.address.startswith("http://")
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(ObjectStoreError, match="use https://, or set AWS_ALLOW_HTTP=true"):
        ObjectStore(URL).get("index.json")


@pytest.mark.parametrize("forgotten", [1, 2])
def test_missing_credentials_are_reported(
    s3: S3Server, monkeypatch: pytest.MonkeyPatch, forgotten: int
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID")[:forgotten]:
        monkeypatch.delenv(name)
    # This machine has no role.
    monkeypatch.setattr("pipelines.storage.object_store._RETRIES", {"max_retries": 0})
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(ObjectStoreError, match="no credentials found"):
        ObjectStore(URL).get("index.json")
    assert s3.requests == []
