"""The folder of past snapshots: immutable Parquet, committed by a manifest."""

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from pipelines.errors import InventoryError
from pipelines.history.manifest import Manifest
from pipelines.history.scope import was_read
from pipelines.schema.model import Table
from pipelines.storage.atomic import flush_folders, replace_durably, write_parquet, write_text

EVERY = "*"


class SnapshotStore:
    """The folder of past snapshots.

    `<table>/integration=<name>/snapshot=<id>/part-0.parquet`, and for each snapshot a manifest
    `_manifests/integration=<name>/<id>.json`. A snapshot without a manifest does not exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return str(self.root)

    def part(self, table: str, integration: str, snapshot_id: str) -> Path:
        """The file of one table of one snapshot, to be read."""
        return self._part(table, integration, snapshot_id)

    def parts(self, table: str, integration: str, snapshot_ids: Sequence[str]) -> list[Path]:
        """The files of one table of several snapshots, to be read."""
        return [self.part(table, integration, each) for each in snapshot_ids]

    def read(self, table: Table, integration: str, snapshot_id: str) -> pa.Table:
        """One table of one snapshot; its folder names the integration, so the file does not."""
        rows = pq.read_table(self.part(table.name, integration, snapshot_id), partitioning=None)
        name = pa.repeat(integration, rows.num_rows)
        return rows.add_column(0, "integration", name)

    def write(self, table: str, integration: str, snapshot_id: str, rows: pa.Table) -> str:
        """Write one table of a snapshot that is not committed yet; the SHA-256 of its file."""
        path = self._part(table, integration, snapshot_id)
        write_parquet(rows.select([n for n in rows.column_names if n != "integration"]), path)
        return file_sha256(path)

    def is_whole(self, table: str, integration: str, snapshot_id: str) -> bool:
        """Whether the file of one table of a committed snapshot is there, as it was written."""
        path = self.part(table, integration, snapshot_id)
        written = self.manifest(integration, snapshot_id).sha256.get(table)
        return path.exists() and file_sha256(path) == written

    def commit(self, manifest: Manifest) -> None:
        """Make the snapshot exist: its files must be there, also after a power cut."""
        at = (manifest.integration.name, manifest.snapshot_id)
        path = self.manifest_path(*at)
        path.parent.mkdir(parents=True, exist_ok=True)
        # All, not the new ones: one that a killed run made need not be on the disk either.
        parts = [self._part(table, *at) for table in manifest.sha256]
        flush_folders([path, *parts], self.root.parent)
        write_text(manifest.model_dump_json(indent=1), path)

    def manifest_path(self, integration: str, snapshot_id: str) -> Path:
        """The file whose presence makes the snapshot exist."""
        return self.root / "_manifests" / f"integration={integration}" / f"{snapshot_id}.json"

    def removal_hint(self, integration: str, snapshot_id: str) -> str:
        """What a person does to leave a snapshot out, for messages."""
        return f"remove {self.manifest_path(integration, snapshot_id)}"

    def manifest(self, integration: str, snapshot_id: str) -> Manifest:
        """A committed snapshot's manifest."""
        return _read_manifest(self.manifest_path(integration, snapshot_id))

    def manifests(self, integration: str = EVERY) -> list[Manifest]:
        """The committed snapshots, of one integration or of all, oldest first."""
        return [self.manifest(*each) for each in self._committed(integration)]

    def latest(self, integration: str) -> Manifest | None:
        """The integration's newest committed snapshot."""
        committed = self._committed(integration)
        return self.manifest(*committed[-1]) if committed else None

    def latest_by_integration(self, integrations: Sequence[str]) -> dict[str, Manifest | None]:
        """By integration its newest committed snapshot."""
        return {each: self.latest(each) for each in integrations}

    def latest_having(self, table: Table, integration: str) -> Manifest | None:
        """The integration's newest snapshot whose pull asked for the records of the table."""
        for each in reversed(self._committed(integration)):
            manifest = self.manifest(*each)
            if was_read(table, manifest.pull) and table.name in manifest.sha256:
                return manifest
        return None

    def snapshots(self, integration: str = EVERY) -> dict[str, list[str]]:
        """By integration, of one or of all, the ids of its committed snapshots, oldest first."""
        snapshots: dict[str, list[str]] = {}
        for name, snapshot_id in self._committed(integration):
            snapshots.setdefault(name, []).append(snapshot_id)
        return snapshots

    def snapshot_ids(self, integration: str) -> list[str]:
        """The ids of the integration's committed snapshots, oldest first."""
        return [snapshot_id for _, snapshot_id in self._committed(integration)]

    def reserved_ids(self, integration: str) -> list[str]:
        """The ids that no new snapshot of the integration may have."""
        return self.snapshot_ids(integration)

    def sweep(self, integration: str) -> None:
        """Remove what no manifest names: files of a snapshot cut short, or of one made smaller."""
        named = {
            self._part(table, integration, manifest.snapshot_id).parent
            for manifest in self.manifests(integration)
            for table in manifest.sha256
        }
        for folder in self.root.glob(f"*/integration={integration}/snapshot=*"):
            if folder not in named:
                shutil.rmtree(folder)
        for aside in self.root.glob(f"_manifests/integration={integration}/.*"):
            aside.unlink()

    def integrations(self) -> list[str]:
        """The integrations of which there is anything, in order of their names."""
        folders = self.root.glob("*/integration=*")
        return sorted({*map(_integration_name, folders)})

    def forget(self, integration: str) -> None:
        """Remove all snapshots of the integration; called again, what a crash left of them."""
        manifests = self.root / "_manifests" / f"integration={integration}"
        gone = manifests.with_name(f".{manifests.name}")
        if gone.exists():
            shutil.rmtree(gone)
        # Not one by one: of half the manifests, the last would pass for the latest.
        if manifests.exists():
            replace_durably(manifests, gone)
        for folder in [*self.root.glob(f"*/{manifests.name}"), *gone.parent.glob(gone.name)]:
            shutil.rmtree(folder)

    def _part(self, table: str, integration: str, snapshot_id: str) -> Path:
        folder = self.root / table / f"integration={integration}" / f"snapshot={snapshot_id}"
        return folder / "part-0.parquet"

    def _committed(self, integration: str) -> list[tuple[str, str]]:
        """Integration and id of each snapshot, by integration, oldest first."""
        paths = self.root.glob(f"_manifests/integration={integration}/*.json")
        return sort_snapshots((_integration_name(path.parent), path.stem) for path in paths)


def sort_snapshots(committed: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Integrations and ids of snapshots, by integration, oldest first."""
    return sorted(committed, key=lambda each: (each[0], *_order(each[1])))


def _integration_name(folder: Path) -> str:
    return folder.name.removeprefix("integration=")


def _order(snapshot_id: str) -> tuple[str, int]:
    """Start of the pull, and the number that makes it unique."""
    start, _, number = snapshot_id.partition("-")
    return start, int(number or 1)


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(path: Path) -> Manifest:
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except ValidationError:
        raise InventoryError(
            f"{path}: is no manifest that this version can read; was it written by another one?"
        ) from None
