"""Store snapshots in an object store, with local copies of the files that are read.

A snapshot counts once the index object of its integration lists it. The index is replaced only if
it has not changed since it was read: of two machines that publish one integration, one fails and
has to run again. All other objects are written once and never changed.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import mkstemp
from typing import NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import InventoryError
from pipelines.history.manifest import LASTING_TABLES, Manifest
from pipelines.history.store import (
    EVERY,
    SnapshotStore,
    file_sha256,
    integration_names,
    order_of_time,
    two_histories_error,
)
from pipelines.schema.tables import SNAPSHOTS
from pipelines.storage.atomic import write_text
from pipelines.storage.object_store import ObjectStore, Version

FOLDER = "history"
MANIFESTS = f"{FOLDER}/_manifests"
# Each request takes long, but a store answers many at once.
MAX_CONCURRENT_REQUESTS = 16
# A younger object may belong to a publication in progress; a run ends within hours.
ORPHAN_AGE = timedelta(days=1)
# A copy used since then may be open in another command on this machine.
UNUSED_AGE = timedelta(hours=1)

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Row(BaseModel):
    """A snapshot that counts.

    Attributes:
        snapshot_id: its id.
        manifest: name of its manifest's object.
        expired: True once it has lost its tables.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshot_id: str
    manifest: str
    expired: bool = False


class Index(BaseModel):
    """All snapshots of an integration that count, oldest first.

    Unknown fields are rejected. A later version added them, and this one would lose them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshots: tuple[Row, ...] = ()


class _LoadedIndex(NamedTuple):
    """The snapshots of an integration by id, and the version of the index object."""

    rows: dict[str, Row]
    version: Version | None


class ObjectSnapshotStore(SnapshotStore):
    """The snapshots of all integrations, below `history/` of an object store.

    The index of an integration is read once. A commit fails if it has changed since.

    Args:
        root: the folder for copies. Other machines must not use it.
        store: the object store.
    """

    def __init__(self, root: Path, store: ObjectStore) -> None:
        super().__init__(root)
        self._store = store
        self._indexes: dict[str, _LoadedIndex] = {}

    @property
    def location(self) -> str:
        """Return the address of the store, for messages."""
        return f"{self._store.url}/{FOLDER}"

    def removal_hint(self, integration: str, snapshot_id: str) -> str:
        """Return the instruction that removes a snapshot, for messages."""
        return f"remove {snapshot_id} from {self._store.url}/{_index_key(integration)}"

    def manifest(self, integration: str, snapshot_id: str) -> Manifest:
        """Return the manifest of a committed snapshot, downloaded if needed."""
        path = self.manifest_path(integration, snapshot_id)
        row = self._index(integration).rows[snapshot_id]

        def is_named(copy: Path) -> bool:
            return _manifest_name(snapshot_id, copy.read_bytes()) == row.manifest

        if not path.exists() or not is_named(path):
            self._download(f"{_manifest_folder(integration)}/{row.manifest}", path, is_named)
        manifest = super().manifest(integration, snapshot_id)
        return manifest.without_tables() if row.expired else manifest

    def verify_part(self, manifest: Manifest, table: str) -> None:
        """Download a file of a snapshot if there is no copy, compare it, and remove the copy."""
        super().verify_part(manifest, table)
        key = (manifest.integration.name, manifest.snapshot_id)
        self._path(table, *key).unlink()

    def snapshots(self, integration: str = EVERY) -> dict[str, list[str]]:
        """Return snapshot ids by integration, of one or of all, oldest first."""
        names = [integration]
        if integration == EVERY:
            names = integration_names(self._store.names(MANIFESTS))
        ids = self.map(lambda name: sorted(self._index(name).rows, key=order_of_time), names)
        return {name: own for name, own in zip(names, ids, strict=True) if own}

    def kept_ids(self, integration: str) -> list[str]:
        """Return the ids of the snapshots that retention has left their tables, oldest first."""
        rows = self._index(integration).rows
        return [one for one in self.snapshot_ids(integration) if not rows[one].expired]

    def reserved_ids(self, integration: str) -> list[str]:
        """Return the ids that a new snapshot must not take, including those of killed runs."""
        folders = self._store.names(f"{FOLDER}/{SNAPSHOTS.name}/integration={integration}")
        started = {name.removeprefix("snapshot=") for name in folders}
        return sorted(started.union(self.snapshot_ids(integration)))

    def commit(self, manifest: Manifest) -> None:
        """Upload the new files, then add the snapshot to the index.

        Raises:
            ConflictError: another machine has published the integration since its index was read.
        """
        name, snapshot_id = manifest.integration.name, manifest.snapshot_id
        index = self._index(name)
        if not index.rows:
            self._store.check_conditions(MANIFESTS)
        self._upload(manifest)
        content = manifest.model_dump_json(indent=1).encode()
        object_name = _manifest_name(snapshot_id, content)
        self._store.put(f"{_manifest_folder(name)}/{object_name}", content)
        row = Row(snapshot_id=snapshot_id, manifest=object_name)
        self._replace_index(name, index.rows | {snapshot_id: row})
        # Only a copy: if a power cut loses it, it is downloaded again.
        write_text(content.decode(), self.manifest_path(name, snapshot_id))

    def expire(self, integration: str, snapshot_ids: Sequence[str]) -> None:
        """Mark snapshots as having lost their tables, which `remove_orphan_files` then removes."""
        rows = self._index(integration).rows
        expired = {one: rows[one].model_copy(update={"expired": True}) for one in snapshot_ids}
        self._replace_index(integration, rows | expired)

    def integrations(self) -> list[str]:
        """Return the names of all integrations that have objects or local copies, sorted."""
        tables = [f"{FOLDER}/{name}" for name in self._store.names(FOLDER)]
        found = {name for names in self.map(self._store.names, tables) for name in names}
        return sorted({*integration_names(found), *super().integrations()})

    def remove_orphan_files(self, integration: str) -> None:
        """Remove objects that no manifest names and copies that are unused, if old enough."""
        self._remove_unused_copies(integration)
        named = {_index_key(integration)}
        for snapshot_id, row in self._index(integration).rows.items():
            named |= {
                self._key(self._path(table, integration, snapshot_id)) for table in LASTING_TABLES
            }
            named.add(f"{_manifest_folder(integration)}/{row.manifest}")
        for manifest in self.manifests_with_tables(integration):
            key = (integration, manifest.snapshot_id)
            named |= {self._key(self._path(table, *key)) for table in manifest.sha256}
        oldest = datetime.now(UTC) - ORPHAN_AGE
        objects = self._list_objects(integration)
        self._store.delete(
            [key for key, written_at in objects if key not in named and written_at < oldest]
        )

    def drop_integration(self, integration: str) -> None:
        """Remove all snapshots of an integration. After a crash, call it again."""
        self._store.delete([_index_key(integration)])
        self._store.delete([key for key, _ in self._list_objects(integration)])
        self._indexes.pop(integration, None)
        super().drop_integration(integration)

    def rename(self, old: str, new: str) -> None:
        """Give the snapshots of an integration another name. After a crash, call it again.

        Raises:
            InventoryError: there are other snapshots of the new name.
            ConflictError: another machine has published it in the meantime.
        """
        rows, present = self._index(old).rows, self._index(new).rows
        if not rows.items() <= present.items():
            if present:
                raise two_histories_error(old, new, self.snapshot_ids(new)[0])
            folder = f"/integration={old}/"
            keys = [key for key, _ in self._list_objects(old) if key != _index_key(old)]
            self.map(
                lambda key: self._store.copy(key, key.replace(folder, f"/integration={new}/", 1)),
                keys,
            )
            self._replace_index(new, rows)
        self.drop_integration(old)

    def _remove_unused_copies(self, integration: str) -> None:
        """Remove old copies and temporary files of killed runs.

        Copies of the latest snapshot are kept: the next publication compares with them.
        """
        latest = {f"snapshot={snapshot_id}" for snapshot_id in self.snapshot_ids(integration)[-1:]}
        copies = self.root.glob(f"*/integration={integration}/snapshot=*")
        tmp_paths = self.root.glob(f"_manifests/integration={integration}/.*")
        oldest = (datetime.now(UTC) - UNUSED_AGE).timestamp()
        for path in (*(path for path in copies if path.name not in latest), *tmp_paths):
            # Another command may just rename its download.
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < oldest:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _index(self, integration: str) -> _LoadedIndex:
        """Return the index of an integration. Read it if it was not read before."""
        if integration not in self._indexes:
            key = _index_key(integration)
            content, version = self._store.get(key) or (b"{}", None)
            try:
                index = Index.model_validate_json(content)
            except ValidationError:
                raise InventoryError(
                    f"{self._store.url}/{key}: not an index that this version can read. Was it "
                    "written by a later one?"
                ) from None
            rows = {row.snapshot_id: row for row in index.snapshots}
            self._indexes[integration] = _LoadedIndex(rows, version)
        return self._indexes[integration]

    def _replace_index(self, integration: str, rows: dict[str, Row]) -> None:
        index = Index(snapshots=tuple(rows.values()))
        # Earlier versions do not know `expired`.
        content = index.model_dump_json(indent=1, exclude_defaults=True).encode()
        before = self._index(integration).version
        version = self._store.put_if(_index_key(integration), content, before)
        self._indexes[integration] = _LoadedIndex(rows, version)

    def _upload(self, manifest: Manifest) -> None:
        """Upload the files of a new snapshot. The first file claims its id."""
        paths = {
            table: self._path(table, manifest.integration.name, manifest.snapshot_id)
            for table in (SNAPSHOTS.name, *manifest.sha256)
        }
        claim = paths.pop(SNAPSHOTS.name)
        self._store.put_if(self._key(claim), claim, None)
        self.map(lambda path: self._store.put(self._key(path), path), paths.values())

    def _is_committed(self, integration: str, snapshot_id: str) -> bool:
        return snapshot_id in self._index(integration).rows

    def _require(self, path: Path, digest: str, integration: str, snapshot_id: str) -> None:  # noqa: ARG002 -- the base's
        """Download a file of a snapshot, unless there is a copy as it was written."""
        # A file may be of a run of this machine that lost its snapshot's id to another one.
        if not path.exists() or file_sha256(path) != digest:
            self._download(self._key(path), path, lambda copy: file_sha256(copy) == digest)
        os.utime(path.parent)

    def _download(self, key: str, path: Path, is_intact: Callable[[Path], bool]) -> None:
        """Copy an object to a local file, atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(descriptor)
        tmp_path = Path(name)
        try:
            if self._store.download(key, tmp_path) is None:
                raise InventoryError(
                    f"{self._store.url}/{key}: not found. If another machine was publishing or "
                    "expiring snapshots, try again; otherwise restore it from a backup"
                )
            if not is_intact(tmp_path):
                raise InventoryError(f"{self._store.url}/{key}: damaged. Restore it from a backup")
            tmp_path.replace(path)
        finally:
            tmp_path.unlink(missing_ok=True)

    def _list_files(self, integration: str) -> list[str]:
        keys = [key for key, _ in self._list_objects(integration)]
        return sorted(key.removeprefix(f"{FOLDER}/") for key in keys)

    def _list_table_folders(self) -> Iterable[tuple[str, str]]:
        tables = self._store.names(FOLDER)
        found = self.map(lambda table: self._store.names(f"{FOLDER}/{table}"), tables)
        return ((table, name) for table, names in zip(tables, found, strict=True) for name in names)

    def _list_objects(self, integration: str) -> list[tuple[str, datetime]]:
        """Return key and time of writing of all objects of an integration."""
        names = self._store.names(FOLDER)
        folders = [f"{FOLDER}/{name}/integration={integration}" for name in names]
        found = self.map(lambda folder: list(self._store.objects(folder)), folders)
        return [entry for entries in found for entry in entries]

    def _key(self, path: Path) -> str:
        return f"{FOLDER}/{path.relative_to(self.root).as_posix()}"

    def map(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """Return the function's results for all items, in order; many at the same time."""
        with ThreadPoolExecutor(MAX_CONCURRENT_REQUESTS) as pool:
            return list(pool.map(function, items))


def _manifest_folder(integration: str) -> str:
    return f"{MANIFESTS}/integration={integration}"


def _index_key(integration: str) -> str:
    return f"{_manifest_folder(integration)}/index.json"


def _manifest_name(snapshot_id: str, content: bytes) -> str:
    """Return the object's name. It depends on the content, so that no object is ever changed."""
    return f"{snapshot_id}-{hashlib.sha256(content).hexdigest()[:16]}.json"
