"""A data directory in which runs are killed or fail, with checks after each run."""

import hashlib
import shutil
import signal
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipelines.config.applied import AppliedSettings
from pipelines.history.store import SnapshotStore
from pipelines.publish.database import build_duckdb_file
from tests.support.killing import Children, Work
from tests.support.publisher import Contents, tables_in

KILLED = {-signal.SIGKILL, -signal.SIGXFSZ}


@dataclass
class Victim:
    """A data directory that is checked after each run."""

    children: Children
    work: Work
    home: Path
    survived: list[str] = field(default_factory=list)
    published: Contents | None = None

    @property
    def file(self) -> Path:
        return self.home / "inventory.duckdb"

    @property
    def history(self) -> SnapshotStore:
        return SnapshotStore(self.home / "history")

    def run(self) -> list[str]:
        """Run without interruption; return the file operations."""
        end, operations = self._do(self.work)
        assert end == 0, self.children.messages()
        assert leftovers(self.home, self.history) == []
        self.published = self.found()
        assert self.published == self.rebuilt()
        assert self.published
        snapshots = {row[1] for row in self.published["snapshots"]}
        assert snapshots == set(self.history.snapshot_ids("acme"))
        return operations

    def kill(self, what: str, *, at: int | None = None, beyond: int | None = None) -> None:
        """Kill a run; check that nothing is lost and that the next run succeeds."""
        end, operations = self._do(replace(self.work, kill_at=at, kill_beyond=beyond))
        assert end in KILLED, what
        if at:
            what = f"{what}, before {at}: {operations[-1]}"
        after = self.found()
        assert after == self.published or after == self.rebuilt(), what
        assert_readable(self.history)
        committed = len(self.history.manifests())
        self.run()
        assert len(self.history.manifests()) == committed + 1, what
        assert_readable(self.history)
        self.survived.append(what)

    def _do(self, work: Work) -> tuple[int, list[str]]:
        """Do the work; return the exit code and the file operations.

        A killed child did not do the last one.
        """
        log = self.children.folder / "operations.log"
        log.unlink(missing_ok=True)
        end = self.children.do(replace(work, log=str(log)))
        return end, log.read_text().replace(str(self.home), "").splitlines()

    def fail(self, what: Work, code: int) -> None:
        """Run until it fails; check that the published file is unchanged."""
        assert self.children.do(what) == code, self.children.messages()
        assert self.found() == self.published
        assert_readable(self.history)

    def rebuilt(self) -> Contents:
        """Return the content of a file built from the history."""
        path = self.children.folder / "rebuilt.duckdb"
        build_duckdb_file(self.history, path, settings=AppliedSettings({"acme": True}))
        return tables_in(path)

    def found(self) -> Contents | None:
        """Return the content of the published file; None if there is no file."""
        if not self.file.exists():
            return None
        # A copy, because DuckDB resolves the link `/proc/<pid>/root` and opens another file system.
        return tables_in(Path(shutil.copy(self.file, self.children.folder / "found.duckdb")))


def assert_readable(history: SnapshotStore) -> None:
    """Check the digest of every file of every committed snapshot."""
    for manifest in history.manifests():
        for table, sha256 in manifest.sha256.items():
            part = history.part(table, manifest.integration.name, manifest.snapshot_id)
            assert hashlib.sha256(part.read_bytes()).hexdigest() == sha256, part


def leftovers(home: Path, history: SnapshotStore) -> list[str]:
    """Return the paths in the data directory that no reader and no later run needs."""
    kept = {
        home / name for name in ("inventory.duckdb", "report.html", "inventory.html", "rates.json")
    }
    kept |= {home / ".gitignore", home / ".inventory.duckdb.seal", *home.glob("locks/*")}
    kept |= set(home.glob("parquet/*/*/acme.parquet"))
    kept |= {home / "parquet" / "whole" / step / "acme" for step in ("pull", "tables")}
    kept |= set((home / "dagster").rglob("*"))
    for manifest in history.manifests():
        at = ("acme", manifest.snapshot_id)
        kept |= {history.part(table, *at) for table in manifest.sha256}
        kept.add(history.manifest_path(*at))
        if not manifest.has_tables:
            kept.add(history.manifest_path(*at).with_suffix(".expired"))
    kept |= {parent for path in kept for parent in path.parents}
    kept |= {home / "spool", home / "scratch"}
    return sorted(str(path) for path in home.rglob("*") if path not in kept)
