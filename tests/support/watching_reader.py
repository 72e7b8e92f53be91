"""Query the published file like an analyst, and check that the results are consistent.

Arguments: `stay` to keep one connection, or `reopen` to open one per answer; the file; the folder
of the history. Each mode runs in its own process, because DuckDB reuses a file that the process
has open. The script prints the id of each snapshot that it sees, one per line. After a line on its
input it prints its counts as JSON.
"""

import hashlib
import json
import os
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

import duckdb

ASSETS = (
    "systems",
    "users",
    "applications",
    "ipv4_addresses",
    "system_groups",
    "user_groups",
    "policies",
    "policy_groups",
    "commands",
    "radius_servers",
)
RELATIONSHIPS = (
    "system_group_members",
    "system_group_users",
    "system_group_associations",
    "application_users",
    "system_ipv4_addresses",
    "system_ip_addresses",
    "system_local_accounts",
    "user_group_members",
    "user_system_bindings",
    "user_group_system_bindings",
    "access_differences",
    "custom_attributes",
)
LATEST = """
SELECT s.snapshot_id, s.rows, s.started_at, i.systems FROM integrations i
JOIN snapshots s ON s.snapshot_id = i.last_snapshot_id
"""


@dataclass
class Seen:
    """The counts of a reader.

    Attributes:
        openings: number of connections; one that fails ends the reader.
        answers: number of answers; each is several queries on one connection.
        mixed: answers that mixed several snapshots.
        changed_answers: number of answers of one connection that differ from its first.
        manifests: number of manifests that were compared with the files that they name.
        broken: files that were missing or had another digest.
        snapshots: ids of the snapshots seen, in order.
    """

    openings: int = 0
    answers: int = 0
    mixed: list[str] = field(default_factory=list)
    changed_answers: int = 0
    manifests: int = 0
    broken: list[str] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)


class Reader:
    """Reads until it is stopped."""

    def __init__(self, file: Path, history: Path) -> None:
        self._file = file
        self._history = history
        self._known: set[Path] = set()
        self.seen = Seen()

    def stay(self, stop: threading.Event) -> None:
        """Query one connection repeatedly."""
        with self._open() as connection:
            first = self._answer(connection)
            self._report(first)
            # A result that is fetched completely only at the end.
            unread = connection.cursor().execute("FROM system_users ORDER BY ALL")
            rows = [unread.fetchone()]
            all_rows = connection.cursor().execute("FROM system_users ORDER BY ALL").fetchall()
            while not stop.is_set():
                self.seen.changed_answers += self._answer(connection) != first
            self.seen.changed_answers += [*rows, *unread.fetchall()] != all_rows

    def reopen(self, stop: threading.Event) -> None:
        """Open a connection for each answer."""
        while not stop.is_set():
            self._check_history()
            with self._open() as connection:
                self._report(self._answer(connection))

    def _open(self) -> duckdb.DuckDBPyConnection:
        self.seen.openings += 1
        return duckdb.connect(self._file, read_only=True)

    def _report(self, answer: tuple[object, ...]) -> None:
        snapshot_id = str(answer[0])
        if snapshot_id not in self.seen.snapshots:
            self.seen.snapshots.append(snapshot_id)
            sys.stdout.write(f"{snapshot_id}\n")
            sys.stdout.flush()

    def _answer(self, connection: duckdb.DuckDBPyConnection) -> tuple[object, ...]:
        """Run several queries in sequence, and check that all see the same snapshot."""
        (snapshot_id, rows, started_at, systems) = connection.execute(LATEST).fetchall()[0]
        expected = json.loads(rows)
        counted = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
            for table in (*ASSETS, *RELATIONSHIPS)
        }
        changes = "SELECT count(*) FROM changes WHERE snapshot_id = ?"
        counted["changes"] = connection.execute(changes, [snapshot_id]).fetchall()[0][0]
        last_seen = {
            connection.execute(f"SELECT max(last_seen_at) FROM {table}").fetchall()[0][0]
            for table in ASSETS
        }
        newest = connection.execute("SELECT max(snapshot_id) FROM snapshots").fetchall()[0][0]
        self.seen.answers += 1
        agree = counted == expected and last_seen == {started_at} and systems == counted["systems"]
        if not agree or newest != snapshot_id:
            self.seen.mixed.append(f"{snapshot_id}: {counted} {expected} {last_seen} {newest}")
        return snapshot_id, counted, last_seen

    def _check_history(self) -> None:
        """Check that the files of each new manifest exist with the right digest."""
        for path in set(self._history.glob("_manifests/*/*.json")) - self._known:
            self._known.add(path)
            manifest = json.loads(path.read_text())
            self.seen.manifests += 1
            for table, sha256 in manifest["sha256"].items():
                folder = self._history / table / path.parent.name / f"snapshot={path.stem}"
                part = folder / "part-0.parquet"
                if not part.exists() or hashlib.sha256(part.read_bytes()).hexdigest() != sha256:
                    self.seen.broken.append(str(part))


def _main() -> None:
    os.nice(10)  # constant reading must not slow down the writer
    mode, file, history = sys.argv[1:]
    reader = Reader(Path(file), Path(history))
    stop = threading.Event()

    def wait() -> None:
        sys.stdin.readline()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    (reader.stay if mode == "stay" else reader.reopen)(stop)
    sys.stdout.write(json.dumps(asdict(reader.seen)) + "\n")


if __name__ == "__main__":
    _main()
