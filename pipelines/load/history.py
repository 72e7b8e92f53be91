"""The folder of past snapshots: immutable Parquet, committed by a manifest."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.load.files import write_parquet, write_text
from pipelines.load.manifest import Manifest
from pipelines.schema import Table


class History:
    """The folder of past snapshots.

    `<table>/integration=<name>/snapshot=<id>/part-0.parquet`, and for each snapshot a manifest
    `_manifests/integration=<name>/<id>.json`. A snapshot without a manifest does not exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def part(self, table: str, integration: str, snapshot_id: str) -> Path:
        """The file of one table of one snapshot."""
        folder = self.root / table / f"integration={integration}" / f"snapshot={snapshot_id}"
        return folder / "part-0.parquet"

    def read(self, table: Table, integration: str, snapshot_id: str) -> pa.Table:
        """One table of one snapshot; its folder names the integration, so the file does not."""
        rows = pq.read_table(self.part(table.name, integration, snapshot_id), partitioning=None)
        name = pa.array([integration] * rows.num_rows, pa.string())
        return rows.add_column(0, "integration", name)

    def write(self, table: Table, integration: str, snapshot_id: str, rows: pa.Table) -> str:
        """Write one table of a snapshot that is not committed yet; the SHA-256 of its file."""
        path = self.part(table.name, integration, snapshot_id)
        write_parquet(rows.drop_columns(["integration"]), path)
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def commit(self, manifest: Manifest) -> None:
        """Make the snapshot exist: its files must be there."""
        path = self._manifest(manifest.integration.name, manifest.snapshot_id)
        write_text(manifest.model_dump_json(indent=1), path)

    def manifests(self, integration: str = "*") -> list[Manifest]:
        """The committed snapshots, of one integration or of all, oldest first."""
        paths = self.root.glob(f"_manifests/integration={integration}/*.json")
        manifests = [Manifest.model_validate_json(path.read_bytes()) for path in paths]
        return sorted(manifests, key=lambda each: (each.integration.name, each.snapshot_id))

    def uncommitted(self, integration: str) -> list[Path]:
        """Folders that a crash left of snapshots of the integration."""
        committed = {f"snapshot={each.snapshot_id}" for each in self.manifests(integration)}
        folders = self.root.glob(f"*/integration={integration}/snapshot=*")
        return [folder for folder in folders if folder.name not in committed]

    def _manifest(self, integration: str, snapshot_id: str) -> Path:
        return self.root / "_manifests" / f"integration={integration}" / f"{snapshot_id}.json"
