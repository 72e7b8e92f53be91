"""A history in an object store, with a copy here of the files that this machine needs.

A snapshot counts when its row is in the index object of its integration. The index is replaced only
if it still is what was read, so of two machines that publish one integration, one fails and has to
start anew from what the other left. All other objects are written once, and never changed.
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
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import InventoryError
from pipelines.history.manifest import Manifest
from pipelines.history.store import EVERY, SnapshotStore, file_sha256, sort_snapshots
from pipelines.schema.tables import SNAPSHOTS
from pipelines.storage.atomic import write_text
from pipelines.storage.object_store import ObjectStore, Version

FOLDER = "history"
MANIFESTS = f"{FOLDER}/_manifests"
INDEX = "index.json"
# A store answers slowly, and many at a time.
REQUESTS_AT_ONCE = 16
# What no index names may be of a publication that is under way; a run ends within hours.
ORPHAN_AGE = timedelta(days=1)
# Copies that were used since may be open in another command of this machine.
UNUSED_AGE = timedelta(hours=1)

_Asked = TypeVar("_Asked")
_Answered = TypeVar("_Answered")


class Row(BaseModel):
    """A snapshot that counts, and the object that holds its manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshot_id: str
    manifest: str


class Index(BaseModel):
    """All snapshots of an integration that count, oldest first.

    What a later version adds to it is refused: it would be lost when this one replaces it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshots: tuple[Row, ...] = ()


class ObjectSnapshotStore(SnapshotStore):
    """The history below `history/` of an object store.

    What it says of an integration is what the store held when it was first asked about it; a
    commit fails if that is so no more.

    Args:
        root: the folder for the copies, of this machine alone.
        store: where the history is.
    """

    def __init__(self, root: Path, store: ObjectStore) -> None:
        super().__init__(root)
        self._store = store
        self._versions: dict[str, Version | None] = {}
        self._rows: dict[str, dict[str, str]] = {}
        self._copies: set[Path] = set()

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{self._store.url}/{FOLDER}"

    def part(self, table: str, integration: str, snapshot_id: str) -> Path:
        """The file of one table of one snapshot, brought here if need be."""
        path = self._part(table, integration, snapshot_id)
        if snapshot_id in self._load_index(integration):
            digest = self.manifest(integration, snapshot_id).sha256.get(table)
            if digest and not self._is_copy(path, digest):
                self._bring(self._key(path), path, digest)
                self._copies.add(path)
            if digest:
                os.utime(path.parent)
        return path

    def parts(self, table: str, integration: str, snapshot_ids: Sequence[str]) -> list[Path]:
        """The files of one table of several snapshots, brought here if need be."""
        return _map_concurrently(lambda each: self.part(table, integration, each), snapshot_ids)

    def removal_hint(self, integration: str, snapshot_id: str) -> str:
        """What a person does to leave a snapshot out, for messages."""
        index = f"{self._store.url}/{_manifest_folder(integration)}/{INDEX}"
        return f"remove {snapshot_id} from {index}"

    def manifest(self, integration: str, snapshot_id: str) -> Manifest:
        """A committed snapshot's manifest, brought here if need be."""
        path = self.manifest_path(integration, snapshot_id)
        name = self._load_index(integration)[snapshot_id]
        if not path.exists() or _manifest_name(snapshot_id, path.read_bytes()) != name:
            self._bring(f"{_manifest_folder(integration)}/{name}", path, None)
        return super().manifest(integration, snapshot_id)

    def manifests(self, integration: str = EVERY) -> list[Manifest]:
        """The committed snapshots, of one integration or of all, oldest first."""
        return _map_concurrently(lambda each: self.manifest(*each), self._committed(integration))

    def latest_by_integration(self, integrations: Sequence[str]) -> dict[str, Manifest | None]:
        """By integration its newest committed snapshot."""
        return dict(zip(integrations, _map_concurrently(self.latest, integrations), strict=True))

    def reserved_ids(self, integration: str) -> list[str]:
        """The ids that no new snapshot may have: also those that a killed run began to write."""
        folders = self._store.names(f"{FOLDER}/{SNAPSHOTS.name}/integration={integration}")
        begun = {each.removeprefix("snapshot=") for each in folders}
        return sorted(begun.union(self.snapshot_ids(integration)))

    def commit(self, manifest: Manifest) -> None:
        """Upload the files that are new, then make the snapshot count.

        Raises:
            ConflictError: another machine has published the integration since the first question
                about it here.
        """
        name, snapshot_id = manifest.integration.name, manifest.snapshot_id
        rows = self._load_index(name)
        if not rows:
            self._store.check_conditions(MANIFESTS)
        if snapshot_id not in rows:
            self._upload(manifest)
        content = manifest.model_dump_json(indent=1).encode()
        object_name = _manifest_name(snapshot_id, content)
        self._store.put(f"{_manifest_folder(name)}/{object_name}", content)
        self._replace_index(name, rows | {snapshot_id: object_name})
        # A copy: should a power cut take it back, it is brought again.
        write_text(content.decode(), self.manifest_path(name, snapshot_id))

    def sweep(self, integration: str) -> None:
        """Remove from the store what no manifest names, and copies from here, if old enough."""
        self._sweep_copies(integration)
        named = {f"{_manifest_folder(integration)}/{INDEX}"}
        for manifest in self.manifests(integration):
            at = (integration, manifest.snapshot_id)
            named |= {self._key(self._part(table, *at)) for table in manifest.sha256}
            named.add(f"{_manifest_folder(integration)}/{self._load_index(integration)[at[1]]}")
        oldest = datetime.now(UTC) - ORPHAN_AGE
        self._store.delete(
            [
                key
                for key, written in self._list_objects(integration)
                if key not in named and written < oldest
            ]
        )

    def integrations(self) -> list[str]:
        """The integrations of which there is anything, here or in the store, in order."""
        folders = [f"{FOLDER}/{each}" for each in self._store.names(FOLDER)]
        found = {each for some in _map_concurrently(self._store.names, folders) for each in some}
        return sorted({*_integration_names(found), *super().integrations()})

    def forget(self, integration: str) -> None:
        """Remove all snapshots of the integration; called again, what a crash left of them."""
        self._store.delete([f"{_manifest_folder(integration)}/{INDEX}"])
        self._store.delete([key for key, _ in self._list_objects(integration)])
        self._versions.pop(integration, None)
        self._rows.pop(integration, None)
        super().forget(integration)

    def _sweep_copies(self, integration: str) -> None:
        """Remove the copies that are not in use, and what crashes left among them.

        Those of the latest snapshot stay: the next publication compares with it.
        """
        latest = self.snapshot_ids(integration)[-1:]
        copies = [
            each
            for each in self.root.glob(f"*/integration={integration}/snapshot=*")
            if each.name.removeprefix("snapshot=") not in latest
        ]
        asides = self.root.glob(f"_manifests/integration={integration}/.*")
        oldest = (datetime.now(UTC) - UNUSED_AGE).timestamp()
        for each in (*copies, *asides):
            # What is brought meanwhile is renamed.
            with suppress(FileNotFoundError):
                if each.stat().st_mtime < oldest:
                    shutil.rmtree(each) if each.is_dir() else each.unlink()

    def _committed(self, integration: str) -> list[tuple[str, str]]:
        names = [integration]
        if integration == EVERY:
            names = _integration_names(self._store.names(MANIFESTS))
        indexes = zip(names, _map_concurrently(self._load_index, names), strict=True)
        return sort_snapshots((name, each) for name, index in indexes for each in index)

    def _load_index(self, integration: str) -> dict[str, str]:
        """By snapshot that counts, the name of the object of its manifest."""
        if integration not in self._rows:
            key = f"{_manifest_folder(integration)}/{INDEX}"
            found = self._store.get(key)
            content, version = found or (b"{}", None)
            try:
                index = Index.model_validate_json(content)
            except ValidationError:
                raise InventoryError(
                    f"{self._store.url}/{key}: is no index that this version can read; was it "
                    "written by another one?"
                ) from None
            self._versions[integration] = version
            self._rows[integration] = {row.snapshot_id: row.manifest for row in index.snapshots}
        return self._rows[integration]

    def _replace_index(self, integration: str, rows: dict[str, str]) -> None:
        listed = (Row(snapshot_id=each, manifest=name) for each, name in rows.items())
        index = Index(snapshots=tuple(listed))
        content = index.model_dump_json(indent=1).encode()
        key = f"{_manifest_folder(integration)}/{INDEX}"
        self._versions[integration] = self._store.put_if(key, content, self._versions[integration])
        self._rows[integration] = rows

    def _upload(self, manifest: Manifest) -> None:
        """Write the files of a new snapshot; the one that comes first claims its id."""
        at = (manifest.integration.name, manifest.snapshot_id)
        claim = self._part(SNAPSHOTS.name, *at)
        self._store.put_if(self._key(claim), claim, None)
        others = [self._part(table, *at) for table in manifest.sha256 if table != SNAPSHOTS.name]
        _map_concurrently(lambda path: self._store.put(self._key(path), path), others)

    def _is_copy(self, path: Path, sha256: str) -> bool:
        """Whether the file here is the one that counts.

        It may be of a run of this machine whose snapshot would have had the same id, had another
        machine not been first.
        """
        if not path.exists():
            return False
        if path not in self._copies and file_sha256(path) == sha256:
            self._copies.add(path)
        return path in self._copies

    def _bring(self, key: str, path: Path, sha256: str | None) -> None:
        """Copy an object here: whole, or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(descriptor)
        aside = Path(name)
        try:
            if self._store.download(key, aside) is None:
                raise InventoryError(
                    f"{self._store.url}/{key}: is gone; if another machine was just publishing, or "
                    "thinning the history, try again; else restore it from a backup"
                )
            if sha256 and file_sha256(aside) != sha256:
                raise InventoryError(
                    f"{self._store.url}/{key}: is damaged; restore it from a backup"
                )
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)

    def _list_objects(self, integration: str) -> list[tuple[str, datetime]]:
        """The keys of all objects of the integration, and when each was written."""
        tables = self._store.names(FOLDER)
        folders = [f"{FOLDER}/{each}/integration={integration}" for each in tables]
        found = _map_concurrently(lambda each: list(self._store.objects(each)), folders)
        return [each for some in found for each in some]

    def _key(self, path: Path) -> str:
        return f"{FOLDER}/{path.relative_to(self.root).as_posix()}"


def _manifest_folder(integration: str) -> str:
    return f"{MANIFESTS}/integration={integration}"


def _integration_names(names: Iterable[str]) -> list[str]:
    """Those that have a folder of one of these names; beside them may be what stores put there."""
    prefix = "integration="
    return [each.removeprefix(prefix) for each in names if each.startswith(prefix)]


def _manifest_name(snapshot_id: str, content: bytes) -> str:
    """Another content is another object, so that none is ever changed."""
    return f"{snapshot_id}-{hashlib.sha256(content).hexdigest()[:16]}.json"


def _map_concurrently(
    ask: Callable[[_Asked], _Answered], questions: Iterable[_Asked]
) -> list[_Answered]:
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as pool:
        return list(pool.map(ask, questions))
