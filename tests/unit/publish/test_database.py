"""The DuckDB file: incremental builds, modified files, and the file as of a past snapshot."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from subprocess import PIPE
from types import ModuleType

import duckdb
import pytest

from pipelines.config.settings import KeepSnapshots
from pipelines.config.thresholds import DEFAULT_THRESHOLDS, Thresholds
from pipelines.errors import InventoryError
from pipelines.history.diff import diff_snapshots
from pipelines.history.lookup import select_past
from pipelines.history.manifest import Manifest
from pipelines.history.retention import expire_snapshots
from pipelines.publish import database, fingerprint
from pipelines.publish.database import build_duckdb_file, build_past_file, update_duckdb_file
from pipelines.publish.reader import open_inventory
from pipelines.schema.model import Column
from pipelines.schema.tables import INVENTORY_TABLES, SYSTEMS, TABLES
from pipelines.simulator import Sizes, generate
from tests.support.publisher import Contents, Publisher, Pulled, on_day, tables_in

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)
EDIT = "UPDATE systems SET hostname = 'edited'; DELETE FROM changes; DROP VIEW user_applications"


@dataclass
class Office:
    """Publishes an organization in several states, a day apart."""

    publisher: Publisher
    states: list[Pulled]
    days: "count[int]"
    rebuilt: tuple[list[Manifest], Contents, int] = ([], {}, 0)

    @property
    def file(self) -> Path:
        return self.publisher.file

    def publish(self, name: str = "acme", thresholds: Thresholds = DEFAULT_THRESHOLDS) -> str:
        """Publish the next state. Return the id of the snapshot."""
        day = next(self.days)
        state = on_day(day, self.states[day % len(self.states)])
        return self.publisher.publish(state, name, thresholds=thresholds).snapshot_id

    def assert_equals_rebuild(self) -> None:
        """Assert that the file equals a rebuild and only its fingerprint file is next to it."""
        manifests, contents, size = self.rebuilt
        if manifests != self.publisher.history.manifests():
            rebuilt = self.publisher.home / "rebuilt" / "inventory.duckdb"
            build_duckdb_file(self.publisher.history, rebuilt)
            contents, size = tables_in(rebuilt), rebuilt.stat().st_size
            self.rebuilt = self.publisher.history.manifests(), contents, size
            shutil.rmtree(rebuilt.parent)
        assert tables_in(self.file) == contents
        assert self.file.stat().st_size <= 2 * size
        names = sorted(path.name for path in self.file.parent.iterdir())
        assert names == [".inventory.duckdb.seal", "history", "inventory.duckdb"]


@pytest.fixture(scope="module")
def states(pull_once: Callable[..., Pulled]) -> list[Pulled]:
    """Pull an organization three times; it changed in between."""
    organization = generate(sizes=SMALL)
    states = []
    for number in range(3):
        states.append(pull_once(organization))
        organization.add_user(username=f"new.person.{number}")
        organization.remove_system(next(iter(organization.systems)))
    return states


@pytest.fixture(scope="module")
def begun(states: list[Pulled], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish `branch` and `acme`; return the data directory."""
    office = Office(Publisher(tmp_path_factory.mktemp("home")), states, count())
    office.publish("branch")
    office.publish()
    return office.publisher.home


@pytest.fixture
def office(begun: Path, states: list[Pulled], publisher: Publisher) -> Office:
    """Return an office that continues a copy of the history begun."""
    shutil.copytree(begun, publisher.home)
    return Office(publisher, states, count(2))


def test_incremental_builds_equal_a_rebuild(office: Office) -> None:
    for number, name in enumerate(["acme", "acme", "branch", "branch", "acme"] * 2):
        office.publish(name)
        if number % 5 == 4:
            expire_snapshots(
                office.publisher.history, name, KeepSnapshots(all_for_days=2, then="none")
            )
            office.assert_equals_rebuild()


def test_applied_snapshots_are_not_read_again(office: Office) -> None:
    history = office.publisher.history
    office.publish()
    old = [(name, key) for name, ids in history.snapshots().items() for key in ids]
    office.publish()
    for name, snapshot_id in old:
        for part in history.root.glob(f"*/integration={name}/snapshot={snapshot_id}/*"):
            part.write_bytes(b"")
    latest = office.publish()
    rows = office.publisher.rows("SELECT integration, snapshot_id FROM snapshots ORDER BY ALL")
    assert len(rows) == 5
    assert rows[-2] == {"integration": "acme", "snapshot_id": latest}
    counts = office.publisher.rows("SELECT count(DISTINCT snapshot_id) AS n FROM changes")
    assert counts == [{"n": 3}]
    with pytest.raises(InventoryError, match="damaged"):
        build_duckdb_file(history, office.publisher.home / "rebuilt.duckdb")


def edit(file: Path) -> None:
    file.chmod(0o600)  # only root can write to it otherwise
    with duckdb.connect(file) as connection:
        connection.execute(EDIT)


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o600)
    file.write_bytes(content)


def lose_fingerprint(file: Path) -> None:
    edit(file)
    fingerprint.fingerprint_path(file).unlink()


def truncate_fingerprint(file: Path) -> None:
    edit(file)
    path = fingerprint.fingerprint_path(file)
    path.write_text(path.read_text()[:40])


def empty(file: Path) -> None:
    file.chmod(0o600)
    file.write_bytes(b"")


def test_modified_file_is_rebuilt(office: Office) -> None:
    for spoil in (edit, damage, lose_fingerprint, truncate_fingerprint, empty, Path.unlink):
        spoil(office.file)
        update_duckdb_file(office.publisher.history, office.file)
        office.assert_equals_rebuild()


def test_published_file_is_read_only(office: Office) -> None:
    before = os.umask(0o077)
    try:
        # The first file is built, the others are extended.
        for umask, mode in ((0o077, 0o400), (0o027, 0o440), (0o022, 0o444)):
            os.umask(umask)
            office.publish()
            assert stat.S_IMODE(office.file.stat().st_mode) == mode
    finally:
        os.umask(before)


WRITER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
for line in sys.stdin:
    try:
        connection.execute(line)
    except duckdb.Error as error:
        print(error, flush=True)
    else:
        print("done", flush=True)
"""


@contextmanager
def writing(file: Path) -> Iterator[Callable[[str], str]]:
    """Yield a function that executes SQL in another process, which is then killed."""
    file.chmod(0o600)
    command = [sys.executable, "-c", WRITER, str(file)]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True) as process:

        def execute(sql: str) -> str:
            assert process.stdin
            assert process.stdout
            process.stdin.write(f"{sql}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield execute
        process.kill()


def test_write_ahead_log_of_a_killed_writer_is_removed(office: Office) -> None:
    with writing(office.file) as execute:
        assert execute(EDIT) == "done"
    assert office.file.with_name("inventory.duckdb.wal").exists()
    message = "inventory.duckdb.wal: another program wrote changes .* remove this file"
    with pytest.raises(InventoryError, match=message):
        open_inventory(office.file)
    office.publish()
    office.assert_equals_rebuild()


def test_writer_to_a_replaced_file_changes_nothing(office: Office) -> None:
    with writing(office.file) as execute:
        assert execute("SELECT 1") == "done"
        office.publish()
        published = tables_in(office.file)
        assert "Cannot open file" in execute("DELETE FROM systems")
        assert tables_in(office.file) == published
        open_inventory(office.file).close()
    office.publish()
    office.assert_equals_rebuild()


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [(fingerprint, "version", lambda _: "0.0.1"), (database, "BUILD_VERSION", 0)],
)
def test_file_of_another_version_is_rebuilt(
    office: Office, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, value: object
) -> None:
    edit(office.file)
    with monkeypatch.context() as earlier:
        earlier.setattr(module, name, value)
        office.publish()
        # That version may have written other rows. Its fingerprint matches its file.
        edit(office.file)
        build_inputs = database._build_inputs()
        fingerprint.fingerprint_path(office.file).write_text(
            fingerprint.compute_fingerprint(office.file, build_inputs)
        )
    office.publish()
    office.assert_equals_rebuild()


def test_file_of_an_earlier_contract_is_rebuilt(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown = replace(SYSTEMS, columns=(*SYSTEMS.columns, Column("site", "TEXT", "Where it stands")))
    tables = tuple(grown if table is SYSTEMS else table for table in INVENTORY_TABLES)
    monkeypatch.setattr(database, "INVENTORY_TABLES", tables)
    monkeypatch.setattr(database, "TABLES", TABLES | {grown.name: grown})
    office.publish()
    office.assert_equals_rebuild()
    assert office.publisher.rows("SELECT DISTINCT site FROM systems") == [{"site": None}]


def test_file_with_a_lost_snapshot_is_rebuilt(office: Office) -> None:
    history = office.publisher.history.root
    shutil.copytree(history, history.with_name("backup"))
    lost = office.publish()
    shutil.rmtree(history)
    history.with_name("backup").rename(history)
    office.publish()
    office.assert_equals_rebuild()
    ids = office.publisher.rows("SELECT snapshot_id FROM snapshots")
    assert lost not in {row["snapshot_id"] for row in ids}


def test_changed_thresholds_replace_the_old_ones(office: Office) -> None:
    office.publish(thresholds=Thresholds(stale_days=3, few_devices=2))
    office.assert_equals_rebuild()
    rows = office.publisher.rows("SELECT integration, stale_days FROM findings.thresholds")
    assert sorted(rows, key=str) == [
        {"integration": "acme", "stale_days": 3},
        {"integration": "branch", "stale_days": DEFAULT_THRESHOLDS.stale_days},
    ]


def test_publication_completes_an_interrupted_drop(office: Office) -> None:
    # `forget` rebuilds the file after this, unless it is interrupted.
    office.publisher.history.drop_integration("branch")
    office.publish()
    office.assert_equals_rebuild()
    assert not {row for rows in tables_in(office.file).values() for row in rows if "branch" in row}


def test_pull_before_the_latest_snapshot_is_rejected(
    office: Office,
) -> None:
    office.days = count(10)
    future = office.publish()
    published = tables_in(office.file)
    office.days = count(6)
    manifest = office.publisher.history.manifest_path("acme", future)
    message = f"acme: this pull started at .*, before .* {future}: .*, remove {manifest}; then run"
    with pytest.raises(InventoryError, match=message):
        office.publish()
    assert tables_in(office.file) == published
    office.publish("branch")
    manifest.unlink()
    latest = office.publish()
    office.assert_equals_rebuild()
    rows = office.publisher.rows("SELECT last_snapshot_id FROM integrations ORDER BY integration")
    assert rows[0] == {"last_snapshot_id": latest}
    changed = office.publisher.rows(
        "SELECT DISTINCT snapshot_id FROM changes WHERE integration = 'acme'"
    )
    assert changed == [{"snapshot_id": latest}]


@dataclass
class Published:
    """Two integrations published in turn, and the tables of the file after each publication."""

    publisher: Publisher
    manifests: list[Manifest] = field(default_factory=list)
    states: list[Contents] = field(default_factory=list)

    def remember(self, manifest: Manifest) -> None:
        self.manifests.append(manifest)
        self.states.append(tables_in(self.publisher.file))

    def past(self, manifest: Manifest, folder: Path) -> Contents:
        file = folder / "past.duckdb"
        build_past_file(self.publisher.history, self.latest(manifest)[0], file)
        return tables_in(file)

    def latest(self, manifest: Manifest) -> tuple[list[Manifest], list[str]]:
        manifests = self.publisher.history.manifests()
        return select_past(manifests, manifest.snapshot_id, None, datetime.now(UTC))

    def remove_tables(self, manifest: Manifest) -> None:
        name = manifest.integration.name
        self.publisher.history.expire(name, [manifest.snapshot_id])
        self.publisher.history.remove_orphan_files(name)


@pytest.fixture
def published(states: list[Pulled], publisher: Publisher) -> Published:
    """Publish `one` and `two`, then both again after changes, each a day later."""
    published = Published(publisher)
    for day, name in enumerate(("one", "two") * 2):
        published.remember(publisher.publish(on_day(day, states[day // 2]), name))
    return published


@pytest.fixture
def manifests(states: list[Pulled], publisher: Publisher) -> list[Manifest]:
    """Commit `one` and `two` in turn, a day apart."""
    names = enumerate(["one", "two"] * 2)
    return [publisher.commit(on_day(number, states[0]), name) for number, name in names]


def test_file_at_a_snapshot_equals_the_file_then(published: Published, tmp_path: Path) -> None:
    for number, (manifest, then) in enumerate(
        zip(published.manifests, published.states, strict=True)
    ):
        assert published.past(manifest, tmp_path / str(number)) == then
    assert published.states[3]["changes"]


def test_later_snapshot_never_replaces_an_expired_one(published: Published, tmp_path: Path) -> None:
    one, two, one_later, two_later = published.manifests
    published.remove_tables(one)
    latest, (note,) = published.latest(two)
    assert [manifest.snapshot_id for manifest in latest] == [two.snapshot_id]
    assert note == (
        f"one: the tables of {one.snapshot_id} were removed, because of keep_snapshots, and so "
        f"were all before it; the first that has its tables: {one_later.snapshot_id}"
    )
    # The metadata of all pulls is kept.
    assert published.past(two_later, tmp_path) == published.states[3]


def test_missing_file_of_a_snapshot_is_named(
    manifests: list[Manifest], publisher: Publisher, tmp_path: Path
) -> None:
    part = publisher.history.part("users", "one", manifests[0].snapshot_id)
    part.unlink()
    with pytest.raises(InventoryError, match=f"{part}: missing.*try again"):
        build_past_file(publisher.history, manifests[:1], tmp_path / "file.duckdb")
    with pytest.raises(InventoryError, match=f"{part}: missing"):
        diff_snapshots(publisher.history, manifests[0], manifests[2])
    assert not list(tmp_path.iterdir())
