"""Verify the history of an integration: its files, and the chain of its manifests."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipelines.errors import InventoryError
from pipelines.history.manifest import Manifest
from pipelines.history.store import SnapshotStore


@dataclass(frozen=True)
class Verification:
    """The result of verifying the history of an integration.

    Attributes:
        integration: its name.
        snapshot_ids: its snapshots, oldest first.
        files: number of files that were compared with a manifest.
        sha256: digest of each manifest that can be read, by snapshot id.
        unchained: number of the oldest snapshots that the chain does not cover, because the
            versions that wrote them wrote no digest.
        problems: a line for each damaged file, and for each break in the chain.
    """

    integration: str
    snapshot_ids: Sequence[str]
    files: int
    sha256: dict[str, str]
    unchained: int
    problems: Sequence[str]

    @property
    def head(self) -> str:
        """Return the digest of the latest manifest; empty if it cannot be read."""
        return self.sha256.get(self.snapshot_ids[-1], "") if self.snapshot_ids else ""

    def covered_snapshots(self, head: str) -> Sequence[str]:
        """Return the snapshots up to the one with this manifest; none if there is no such one."""
        covered: list[str] = []
        for snapshot_id in self.snapshot_ids:
            covered.append(snapshot_id)
            if self.sha256.get(snapshot_id) == head:
                return covered[min(self.unchained, len(covered) - 1) :]
        return ()


def verify_history(store: SnapshotStore, integration: str) -> Verification:
    """Compare every file with its manifest, and every manifest with the one after it.

    Args:
        store: a store that has read nothing yet. One in an object store has a folder for copies
            that is empty, because a copy proves nothing about the object.
        integration: name of the integration.
    """
    ids = store.snapshot_ids(integration)
    found = store.map(lambda snapshot_id: _Snapshot.read(store, integration, snapshot_id), ids)
    problems = [problem for snapshot in found for problem in snapshot.problems]
    manifests = [snapshot.manifest for snapshot in found if snapshot.manifest]
    chained = [bool(snapshot.previous) for snapshot in found]
    first = chained.index(True) if True in chained else len(found)
    if first == 0 and found:
        problems.append(f"{ids[0]}: {_MISSING.format(sha256=found[0].previous)}")
    problems += _breaks(found[max(first - 1, 0) :])
    unknown = store.unknown_files(integration, manifests)
    problems += [f"{path}: not named by a manifest" for path in unknown]
    return Verification(
        integration,
        ids,
        sum(len(manifest.sha256) for manifest in manifests),
        {one.snapshot_id: one.sha256 for one in found if one.sha256},
        max(first - 1, 0),
        [f"{integration}: {problem}" for problem in problems],
    )


_MISSING = "the manifest before it, with SHA-256 {sha256}, is missing"


def _breaks(chain: "Sequence[_Snapshot]") -> Iterator[str]:
    """Yield a line for each manifest that is not the one that the next manifest names."""
    for before, after in pairwise(chain):
        if before.sha256 and after.sha256 and after.previous != before.sha256:
            named = after.previous or "none"
            yield (
                f"{before.snapshot_id}: its manifest was changed, or one after it was removed: its "
                f"SHA-256 is {before.sha256}, and {after.snapshot_id} names {named}"
            )


@dataclass(frozen=True)
class _Snapshot:
    """A snapshot as it is found; without a manifest if that cannot be read."""

    snapshot_id: str
    problems: Collection[str]
    manifest: Manifest | None = None
    sha256: str = ""

    @property
    def previous(self) -> str:
        return self.manifest.previous_sha256 if self.manifest else ""

    @staticmethod
    def read(store: SnapshotStore, integration: str, snapshot_id: str) -> "_Snapshot":
        try:
            manifest = store.manifest(integration, snapshot_id)
            sha256 = store.manifest_sha256(integration, snapshot_id)
        except (InventoryError, OSError) as error:
            return _Snapshot(snapshot_id, [f"{snapshot_id}: {error}"])
        problems = []
        for table in manifest.sha256:
            try:
                store.verify_part(manifest, table)
            except InventoryError as error:
                # A run that ends now may have removed the file.
                if table in store.manifest(integration, snapshot_id).sha256:
                    problems.append(f"{snapshot_id}: {error}")
        return _Snapshot(snapshot_id, problems, manifest, sha256)
