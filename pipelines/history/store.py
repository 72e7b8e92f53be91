"""Store snapshots in a folder of immutable Parquet files, each committed by a manifest."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from pipelines.errors import InventoryError
from pipelines.history.manifest import LASTING_TABLES, Manifest
from pipelines.schema.model import Table
from pipelines.storage.atomic import (
    flush,
    flush_folders,
    replace_durably,
    write_parquet,
    write_text,
)

EVERY = "*"
_PREFIX = "integration="
_EXPIRED = ".expired"
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class SnapshotStore:
    """The snapshots of all integrations, in a local folder.

    A table of a snapshot is `<table>/integration=<name>/snapshot=<id>/part-0.parquet`, and its
    manifest is `_manifests/integration=<name>/<id>.json`. Files without a manifest do not count.
    A manifest never changes, because the next one holds its digest. An empty file `<id>.expired`
    next to it marks a snapshot that has lost its tables.

    A subclass for another place copies files into the folder when they are read. It overrides
    `manifest`, `snapshots`, `kept_ids`, `_is_committed` and `_require`, which all other reading
    methods use; the methods that write or remove; `location` and `removal_hint`; and `map` if
    reading is slow.

    Args:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: set[Path] = set()
        self._known_digests: dict[tuple[str, str], Mapping[str, str]] = {}

    @property
    def location(self) -> str:
        """Return the address of the store, for messages."""
        return str(self.root)

    def part(self, table: str, integration: str, snapshot_id: str) -> Path:
        """Return the file of one table of a snapshot, for reading.

        It is compared with its manifest once; without a manifest that names it, it is not.

        Raises:
            InventoryError: the file is missing or damaged.
        """
        path = self._path(table, integration, snapshot_id)
        if path not in self._verified and self._is_committed(integration, snapshot_id):
            digest = self._digests(integration, snapshot_id).get(table)
            if digest:
                self._require(path, digest, integration, snapshot_id)
                self._verified.add(path)
        return path

    def parts(self, table: str, integration: str, snapshot_ids: Sequence[str]) -> list[Path]:
        """Return the files of one table of several snapshots, for reading."""
        return self.map(lambda item: self.part(table, integration, item), snapshot_ids)

    def read(self, table: Table, integration: str, snapshot_id: str) -> pa.Table:
        """Read one table of a snapshot, and add the integration, which only the path names."""
        rows = pq.read_table(self.part(table.name, integration, snapshot_id), partitioning=None)
        return rows.add_column(0, "integration", pa.repeat(integration, rows.num_rows))

    def write(self, table: str, integration: str, snapshot_id: str, rows: pa.Table) -> str:
        """Write one table of a snapshot that is not committed yet. Return the file's SHA-256."""
        path = self._path(table, integration, snapshot_id)
        write_parquet(rows.select([n for n in rows.column_names if n != "integration"]), path)
        return file_sha256(path)

    def verify_part(self, manifest: Manifest, table: str) -> None:
        """Compare a file of a snapshot with its manifest, also if it was compared before.

        Raises:
            InventoryError: the file is missing or damaged.
        """
        key = (manifest.integration.name, manifest.snapshot_id)
        self._require(self._path(table, *key), manifest.sha256[table], *key)

    def unknown_files(self, integration: str, manifests: Iterable[Manifest]) -> list[str]:
        """Return the files that no manifest names, except those of snapshots without a manifest.

        Engines that read all files of a folder read them too.
        """
        named = {
            self._path(table, integration, manifest.snapshot_id).relative_to(self.root)
            for manifest in manifests
            for table in manifest.sha256
        }
        folders = {folder for path in named for folder in (path.parent, path.parent.parent)}
        found = map(Path, self._list_files(integration))
        return [str(path) for path in found if path.parent in folders and path not in named]

    def foreign_entries(self) -> list[str]:
        """Return what is next to the integrations in the folders of tables, without hidden files.

        It belongs to no integration, but engines that read all files of a table read it too.
        """
        return sorted(
            f"{table}/{name}"
            for table, name in self._list_table_folders()
            if not name.startswith((_PREFIX, "."))
        )

    def commit(self, manifest: Manifest) -> None:
        """Write the manifest, after the disk has the files that it names."""
        key = (manifest.integration.name, manifest.snapshot_id)
        path = self.manifest_path(*key)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not only new folders: the disk may also miss one that a killed run created.
        parts = [self._path(table, *key) for table in manifest.sha256]
        flush_folders([path, *parts], self.root.parent)
        write_text(manifest.model_dump_json(indent=1), path)

    def expire(self, integration: str, snapshot_ids: Sequence[str]) -> None:
        """Mark snapshots as having lost their tables, which `remove_orphan_files` then removes."""
        for snapshot_id in snapshot_ids:
            write_text("", self._expiry_path(integration, snapshot_id))

    def manifest_path(self, integration: str, snapshot_id: str) -> Path:
        """Return the path of a snapshot's manifest."""
        return self.root / "_manifests" / f"{_PREFIX}{integration}" / f"{snapshot_id}.json"

    def removal_hint(self, integration: str, snapshot_id: str) -> str:
        """Return the instruction that removes a snapshot, for messages."""
        return f"remove {self.manifest_path(integration, snapshot_id)}"

    def manifest(self, integration: str, snapshot_id: str) -> Manifest:
        """Return the manifest of a committed snapshot.

        The name of the integration is that of the folder: `rename` changes no manifest.
        """
        path = self.manifest_path(integration, snapshot_id)
        try:
            manifest = Manifest.model_validate_json(path.read_bytes())
        except ValidationError:
            raise InventoryError(
                f"{path}: not a manifest that this version can read. Was it written by a later one?"
            ) from None
        if manifest.integration.name != integration:
            facts = manifest.integration.model_copy(update={"name": integration})
            manifest = manifest.model_copy(update={"integration": facts})
        expired = self._expiry_path(integration, snapshot_id).exists()
        return manifest.without_tables() if expired else manifest

    def manifest_sha256(self, integration: str, snapshot_id: str) -> str:
        """Return the digest of a manifest as it was written, which covers all before it."""
        return file_sha256(self.manifest_path(integration, snapshot_id))

    def manifests(self, integration: str = EVERY) -> list[Manifest]:
        """Return the manifests of one integration or of all, oldest first."""
        snapshots = self.snapshots(integration).items()
        keys = [(name, snapshot_id) for name, ids in snapshots for snapshot_id in ids]
        return self.map(lambda key: self.manifest(*key), keys)

    def manifests_with_tables(self, integration: str) -> list[Manifest]:
        """Return the manifests of an integration's snapshots with their tables, oldest first.

        Retention bounds their number, but not that of all manifests, which stay forever.
        """
        ids = self.kept_ids(integration)
        found = self.map(lambda snapshot_id: self.manifest(integration, snapshot_id), ids)
        return [manifest for manifest in found if manifest.has_tables]

    def organization_id(self, integration: str) -> str | None:
        """Return the organization of the newest snapshot that knows it, if any does."""
        for snapshot_id in reversed(self.snapshot_ids(integration)):
            if known := self.manifest(integration, snapshot_id).pull.organization_id:
                return known
        return None

    def latest(self, integration: str) -> Manifest | None:
        """Return the newest snapshot of an integration."""
        ids = self.snapshot_ids(integration)
        return self.manifest(integration, ids[-1]) if ids else None

    def head(self, integration: str) -> str:
        """Return the digest of an integration's latest manifest; empty without a snapshot."""
        latest = self.latest(integration)
        return self.manifest_sha256(integration, latest.snapshot_id) if latest else ""

    def latest_by_integration(self, integrations: Sequence[str]) -> dict[str, Manifest | None]:
        """Return the newest snapshot of each integration."""
        return dict(zip(integrations, self.map(self.latest, integrations), strict=True))

    def latest_with_table(self, table: Table, integration: str) -> Manifest | None:
        """Return the newest snapshot that has the table and pulled the records for it."""
        for snapshot_id in reversed(self.kept_ids(integration)):
            manifest = self.manifest(integration, snapshot_id)
            if manifest.pull.has_read(table) and table.name in manifest.sha256:
                return manifest
        return None

    def snapshots(self, integration: str = EVERY) -> dict[str, list[str]]:
        """Return snapshot ids by integration, of one or of all, oldest first."""
        snapshots: dict[str, list[str]] = {}
        for folder in sorted(self.root.glob(f"_manifests/{_PREFIX}{integration}")):
            ids: list[str] = []
            # A glob for the files takes ten times as long for the thousands of a long history.
            # Like it, ignore a file, and a folder that is renamed meanwhile.
            with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
                names = (entry.name for entry in entries)
                ids = [name.removesuffix(".json") for name in names if name.endswith(".json")]
            if ids:
                snapshots[folder.name.removeprefix(_PREFIX)] = sorted(ids, key=order_of_time)
        return snapshots

    def kept_ids(self, integration: str) -> list[str]:
        """Return the ids of the snapshots that retention has left their tables, oldest first."""
        folder = self.root / "_manifests" / f"{_PREFIX}{integration}"
        expired = {path.stem for path in folder.glob(f"*{_EXPIRED}")}
        return [one for one in self.snapshot_ids(integration) if one not in expired]

    def snapshot_ids(self, integration: str) -> list[str]:
        """Return the snapshot ids of an integration, oldest first."""
        return self.snapshots(integration).get(integration, [])

    def reserved_ids(self, integration: str) -> list[str]:
        """Return the ids that a new snapshot of the integration must not take."""
        return self.snapshot_ids(integration)

    def integrations(self) -> list[str]:
        """Return the names of all integrations that have files, sorted."""
        return integration_names(folder.name for folder in self.root.glob(f"*/{_PREFIX}*"))

    def remove_orphan_files(self, integration: str) -> None:
        """Remove files that no manifest names: of unfinished or of expired snapshots."""
        named = {
            self._path(table, integration, manifest.snapshot_id).parent
            for manifest in self.manifests_with_tables(integration)
            for table in manifest.sha256
        }
        committed = {f"snapshot={snapshot_id}" for snapshot_id in self.snapshot_ids(integration)}
        for own in self.root.glob(f"*/{_PREFIX}{integration}"):
            is_lasting = own.parent.name in LASTING_TABLES
            for folder in own.glob("snapshot=*"):
                is_named = folder in named or (is_lasting and folder.name in committed)
                if not is_named:
                    shutil.rmtree(folder)
        for tmp_path in self.root.glob(f"_manifests/{_PREFIX}{integration}/.*"):
            tmp_path.unlink()

    def drop_integration(self, integration: str) -> None:
        """Remove all snapshots of an integration. After a crash, call it again."""
        manifests = self.root / "_manifests" / f"{_PREFIX}{integration}"
        dropped = manifests.with_name(f".{manifests.name}")
        if dropped.exists():
            shutil.rmtree(dropped)
        # All at once: if only the newer manifests were gone, an old snapshot would be the latest.
        if manifests.exists():
            replace_durably(manifests, dropped)
        for folder in [*self.root.glob(f"*/{manifests.name}"), *dropped.parent.glob(dropped.name)]:
            shutil.rmtree(folder)

    def rename(self, old: str, new: str) -> None:
        """Give the snapshots of an integration another name. After a crash, call it again.

        Files and manifests stay as they are: only the names of folders change.

        Raises:
            InventoryError: there are snapshots of both names.
        """
        manifests = self.root / "_manifests" / f"{_PREFIX}{old}"
        # Without them, an earlier call was interrupted after the last rename.
        if self.snapshot_ids(old):
            if ids := self.snapshot_ids(new):
                raise two_histories_error(old, new, ids[0])
            for folder in self.root.glob(f"*/{_PREFIX}{new}"):
                shutil.rmtree(folder)  # of an interrupted call, or of a run without a snapshot
            copies: list[Path] = []
            for folder in self.root.glob(f"*/{manifests.name}"):
                if folder != manifests:
                    target = folder.with_name(f"{_PREFIX}{new}")
                    shutil.copytree(folder, target, copy_function=_link_or_copy)
                    copies += target.rglob("*.parquet")
            flush_folders(copies, self.root.parent)
            # The commit: before it the history has the old name, and after it the new one.
            replace_durably(manifests, manifests.with_name(f"{_PREFIX}{new}"))
        self.drop_integration(old)

    def former_names(self, integration: str) -> set[str]:
        """Return the names under which the snapshots of an integration were written."""
        names = set()
        for snapshot_id in self.snapshot_ids(integration):
            self.manifest(integration, snapshot_id)  # checks the file, and downloads it if needed
            document = json.loads(self.manifest_path(integration, snapshot_id).read_bytes())
            names.add(document["integration"]["name"])
        return names

    def _list_files(self, integration: str) -> list[str]:
        """Return the paths of all files of an integration, relative to the history."""
        own, parts = f"*/{_PREFIX}{integration}/*", f"*/{_PREFIX}{integration}/snapshot=*/*"
        found = [path for path in self.root.glob(own) if path.is_file()] + [*self.root.glob(parts)]
        return sorted(path.relative_to(self.root).as_posix() for path in found)

    def _list_table_folders(self) -> Iterable[tuple[str, str]]:
        """Return the name of each table's folder with each name in it."""
        return ((path.parent.name, path.name) for path in self.root.glob("*/*"))

    def _is_committed(self, integration: str, snapshot_id: str) -> bool:
        return self.manifest_path(integration, snapshot_id).exists()

    def _require(self, path: Path, digest: str, integration: str, snapshot_id: str) -> None:
        """Raise unless a file of a snapshot is as it was written."""
        try:
            if file_sha256(path) == digest:
                return
            problem = "damaged"
        except FileNotFoundError:
            problem = "missing"
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        raise InventoryError(
            f"{path}: {problem}. If a run was in progress, try again; otherwise restore it from a "
            f"backup, or give this snapshot up: {self.removal_hint(integration, snapshot_id)}, and "
            "rebuild"
        )

    def _digests(self, integration: str, snapshot_id: str) -> Mapping[str, str]:
        """Return the digests of a committed snapshot's files, read once for all of them."""
        key = (integration, snapshot_id)
        if key not in self._known_digests:
            self._known_digests[key] = self.manifest(*key).sha256
        return self._known_digests[key]

    def _expiry_path(self, integration: str, snapshot_id: str) -> Path:
        return self.manifest_path(integration, snapshot_id).with_suffix(_EXPIRED)

    def _path(self, table: str, integration: str, snapshot_id: str) -> Path:
        folder = self.root / table / f"{_PREFIX}{integration}" / f"snapshot={snapshot_id}"
        return folder / "part-0.parquet"

    def map(self, function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
        """Return the function's results for all items, in order."""
        return [function(item) for item in items]


def two_histories_error(old: str, new: str, first_id: str) -> InventoryError:
    """Return the error for two integrations with snapshots, which cannot become one."""
    return InventoryError(
        f"{old!r} cannot be renamed: {new!r} has snapshots of its own, the first {first_id}. To "
        f"give those up, take {new!r} out of the settings, `jumpcloud-inventory forget {new}`, put "
        "it back, and rename again"
    )


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # not every file system has links
        shutil.copyfile(source, target)
        flush(Path(target))


def order_of_time(snapshot_id: str) -> tuple[str, int]:
    """Return the sort key of a snapshot id: start of the pull, and the number behind it."""
    # Earlier versions wrote a hyphen.
    start, _, number = snapshot_id.replace("-", "_").partition("_")
    return start, int(number or 1)


def integration_names(folders: Iterable[str]) -> list[str]:
    """Return the names of the integrations among names of folders, sorted, each once."""
    return sorted({name.removeprefix(_PREFIX) for name in folders if name.startswith(_PREFIX)})


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
