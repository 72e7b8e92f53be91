"""A reader as an analyst's: watches the published file and tells whether its answers agree.

Arguments: `stay` to hold one connection open or `anew` to open one each time (a process of its own
for each, because DuckDB gives a process that has the file open the same file again); the file; the
folder of the history. It writes the id of each snapshot that it sees, one a line, and after a line
on its input the counts of what it saw, as JSON.
"""

import hashlib
import json
import os
import sys
import threading
from dataclasses import asdict, dataclass, field
from pathlib import Path

import duckdb

ASSETS = ("systems", "users", "applications", "ipv4_addresses", "system_groups")
RELATIONSHIPS = (
    "system_group_members",
    "system_group_users",
    "system_group_associations",
    "application_users",
    "system_ipv4_addresses",
)
LATEST = """
SELECT s.snapshot_id, s.rows, s.started_at, i.systems FROM integrations i
JOIN snapshots s ON s.snapshot_id = i.last_snapshot_id
"""


@dataclass
class Seen:
    """What the reader saw.

    Attributes:
        openings: connections opened; one that fails ends the reader.
        answers: sets of queries on one connection, compared with each other.
        mixed: those that did not all tell of one snapshot.
        changed_under_a_connection: times that one told something else than at first.
        manifests: committed snapshots whose files were compared with their digests.
        broken: those of which a file was missing or another.
        snapshots: ids seen, in order.
    """

    openings: int = 0
    answers: int = 0
    mixed: list[str] = field(default_factory=list)
    changed_under_a_connection: int = 0
    manifests: int = 0
    broken: list[str] = field(default_factory=list)
    snapshots: list[str] = field(default_factory=list)


class Reader:
    """Reads until it is told to stop."""

    def __init__(self, file: Path, history: Path) -> None:
        self._file = file
        self._history = history
        self._known: set[Path] = set()
        self.seen = Seen()

    def stay(self, stop: threading.Event) -> None:
        """Ask one connection again and again."""
        with self._opened() as connection:
            first = self._answer(connection)
            self._tell(first)
            # An answer that is read to its end only when everything else is over.
            unread = connection.cursor().execute("FROM system_users ORDER BY ALL")
            rows = [unread.fetchone()]
            whole = connection.cursor().execute("FROM system_users ORDER BY ALL").fetchall()
            while not stop.is_set():
                self.seen.changed_under_a_connection += self._answer(connection) != first
            self.seen.changed_under_a_connection += [*rows, *unread.fetchall()] != whole

    def anew(self, stop: threading.Event) -> None:
        """Open a connection for each answer."""
        while not stop.is_set():
            self._check_history()
            with self._opened() as connection:
                self._tell(self._answer(connection))

    def _opened(self) -> duckdb.DuckDBPyConnection:
        self.seen.openings += 1
        return duckdb.connect(self._file, read_only=True)

    def _tell(self, answer: tuple[object, ...]) -> None:
        snapshot_id = str(answer[0])
        if snapshot_id not in self.seen.snapshots:
            self.seen.snapshots.append(snapshot_id)
            sys.stdout.write(f"{snapshot_id}\n")
            sys.stdout.flush()

    def _answer(self, connection: duckdb.DuckDBPyConnection) -> tuple[object, ...]:
        """Several queries, one after the other; all must tell of the same snapshot."""
        (snapshot_id, rows, started_at, systems) = connection.execute(LATEST).fetchall()[0]
        told = json.loads(rows)
        counted = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0]
            for table in (*ASSETS, *RELATIONSHIPS)
        }
        changes = "SELECT count(*) FROM changes WHERE snapshot_id = ?"
        counted["changes"] = connection.execute(changes, [snapshot_id]).fetchall()[0][0]
        sights = {
            connection.execute(f"SELECT max(last_seen_at) FROM {table}").fetchall()[0][0]
            for table in ASSETS
        }
        newest = connection.execute("SELECT max(snapshot_id) FROM snapshots").fetchall()[0][0]
        self.seen.answers += 1
        agree = counted == told and sights == {started_at} and systems == counted["systems"]
        if not agree or newest != snapshot_id:
            self.seen.mixed.append(f"{snapshot_id}: {counted} {told} {sights} {newest}")
        return snapshot_id, counted, sights

    def _check_history(self) -> None:
        """The files of a snapshot are there, whole, as soon as its manifest is."""
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
    os.nice(10)  # reading all the time must not slow down what is read
    how, file, history = sys.argv[1:]
    reader = Reader(Path(file), Path(history))
    stop = threading.Event()

    def wait() -> None:
        sys.stdin.readline()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    (reader.stay if how == "stay" else reader.anew)(stop)
    sys.stdout.write(json.dumps(asdict(reader.seen)) + "\n")


if __name__ == "__main__":
    _main()
