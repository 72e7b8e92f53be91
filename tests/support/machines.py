"""Machines that publish one inventory to an object store."""

from dataclasses import dataclass

from pipelines.history.object_store import ObjectSnapshotStore
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import update_duckdb_file
from pipelines.publish.object import ObjectStoreBackend
from pipelines.simulator import Sizes
from pipelines.storage.object_store import ObjectStore
from tests.support.publisher import Publisher
from tests.support.s3 import BUCKET

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)
URL = f"s3://{BUCKET}/some/prefix"


@dataclass
class Machine(Publisher):
    """A machine that publishes to the object store."""

    store: ObjectStore

    @property
    def history(self) -> SnapshotStore:
        """Return the snapshot store in the object store."""
        return ObjectSnapshotStore(self.home / "history", self.store)

    def publish_object(self) -> None:
        """Publish the file as the Dagster assets do."""
        published = ObjectStoreBackend(self.store, self.home)
        published.renew(self.file, lambda: update_duckdb_file(self.history, self.file))


def ids_seen_by(machine: Machine) -> list[str]:
    """Return the snapshot ids that a machine sees; the two newest are read completely."""
    history = machine.history
    for manifest in history.manifests()[-2:]:
        at = (manifest.integration.name, manifest.snapshot_id)
        assert all(history.part(table, *at).exists() for table in manifest.sha256)
    return history.snapshot_ids("acme")
