"""Going on with the published file gives what the whole history gives; edits do not last."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from types import ModuleType

import duckdb
import pytest

from pipelines.config.settings import KeepSnapshots
from pipelines.config.thresholds import DEFAULT_THRESHOLDS, Thresholds
from pipelines.errors import InventoryError
from pipelines.history.retention import expire_snapshots
from pipelines.publish import database as duckdb_file
from pipelines.publish import fingerprint as seal
from pipelines.publish import incremental as fold
from pipelines.publish.database import build_duckdb_file
from pipelines.schema.model import Column
from pipelines.schema.tables import INVENTORY_TABLES, SYSTEMS, TABLES
from pipelines.simulator import Sizes, generate
from tests.support.publisher import Publisher, Pulled, on_day, tables_in

SMALL = Sizes(systems=12, users=8, system_groups=3, user_groups=2, applications=2)
EDIT = "UPDATE systems SET hostname = 'edited'; DELETE FROM changes; DROP VIEW user_applications"


@dataclass
class Office:
    """Publishes an organization in several states, as of a day later each time."""

    publisher: Publisher
    states: list[Pulled]
    days: "count[int]"

    @property
    def file(self) -> Path:
        return self.publisher.file

    def publish(self, name: str = "acme", thresholds: Thresholds = DEFAULT_THRESHOLDS) -> str:
        """Publish the next state; the snapshot's id."""
        day = next(self.days)
        state = on_day(day, self.states[day % len(self.states)])
        return self.publisher.publish(state, name, thresholds=thresholds).snapshot_id

    def assert_true(self) -> None:
        """The file holds what the history gives, and nothing lies beside it but its seal."""
        rebuilt = self.publisher.home / "rebuilt" / "inventory.duckdb"
        build_duckdb_file(self.publisher.history, rebuilt)
        assert tables_in(self.file) == tables_in(rebuilt)
        assert self.file.stat().st_size <= 2 * rebuilt.stat().st_size
        shutil.rmtree(rebuilt.parent)
        beside = sorted(path.name for path in self.file.parent.iterdir())
        assert beside == [".inventory.duckdb.seal", "history", "inventory.duckdb"]


@pytest.fixture
def office(pull: Callable[..., Pulled], publisher: Publisher) -> Office:
    organization = generate(sizes=SMALL)
    states = []
    for number in range(3):
        states.append(pull(organization))
        organization.add_user(username=f"new.person.{number}")
        organization.remove_system(next(iter(organization.systems)))
    return Office(publisher, states, count())


def test_twenty_publications_give_what_one_fold_of_their_history_gives(office: Office) -> None:
    for number, name in enumerate(["one", "two", "one", "one", "two"] * 4):
        office.publish(name)
        if number % 5 == 4:
            expire_snapshots(
                office.publisher.history, name, KeepSnapshots(all_for_days=2, then="none")
            )
            office.assert_true()


def test_what_the_file_tells_already_is_read_no_more(office: Office) -> None:
    old = [("other", office.publish("other")), *(("acme", office.publish()) for _ in range(2))]
    office.publish()
    history = office.publisher.history
    for name, snapshot_id in old:
        for part in history.root.glob(f"*/integration={name}/snapshot={snapshot_id}/*"):
            part.write_bytes(b"")
    latest = office.publish()
    rows = office.publisher.rows("SELECT integration, snapshot_id FROM snapshots ORDER BY ALL")
    assert len(rows) == 5
    assert rows[-2] == {"integration": "acme", "snapshot_id": latest}
    counts = office.publisher.rows("SELECT count(DISTINCT snapshot_id) AS n FROM changes")
    assert counts == [{"n": 3}]
    with pytest.raises(InventoryError, match="missing or damaged"):
        build_duckdb_file(history, office.publisher.home / "rebuilt.duckdb")


def edit(file: Path) -> None:
    with duckdb.connect(file) as connection:
        connection.execute(EDIT)


def damage(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def lose_the_seal(file: Path) -> None:
    edit(file)
    seal.fingerprint_path(file).unlink()


def tear_the_seal(file: Path) -> None:
    edit(file)
    path = seal.fingerprint_path(file)
    path.write_text(path.read_text()[:40])


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("spoil", [edit, damage, lose_the_seal, tear_the_seal, empty, Path.unlink])
def test_a_file_that_is_not_as_it_was_published_is_made_anew(
    office: Office, spoil: Callable[[Path], None]
) -> None:
    office.publish()
    spoil(office.file)
    office.publish()
    office.assert_true()


def test_what_a_killed_writer_left_reaches_nobody(office: Office) -> None:
    office.publish()
    script = f"""
import duckdb, os, signal
connection = duckdb.connect({str(office.file)!r})
connection.execute({EDIT!r})
os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert office.file.with_name("inventory.duckdb.wal").exists()
    office.publish()
    office.assert_true()


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [(seal, "version", lambda _: "0.0.1"), (duckdb_file, "BUILD_VERSION", 0)],
)
def test_a_file_of_another_version_is_made_anew(
    office: Office, monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, value: object
) -> None:
    office.publish()
    edit(office.file)
    with monkeypatch.context() as earlier:
        earlier.setattr(module, name, value)
        office.publish()
        # As that version may have made it: it is sealed, and otherwise than this one's.
        edit(office.file)
        made_by = duckdb_file._build_inputs()
        seal.fingerprint_path(office.file).write_text(
            seal.compute_fingerprint(office.file, made_by)
        )
    office.publish()
    office.assert_true()


def test_a_file_of_an_earlier_contract_is_made_anew(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.publish("other")
    office.publish()
    grown = replace(SYSTEMS, columns=(*SYSTEMS.columns, Column("site", "TEXT", "Where it stands")))
    tables = tuple(grown if table is SYSTEMS else table for table in INVENTORY_TABLES)
    monkeypatch.setattr(fold, "INVENTORY_TABLES", tables)
    monkeypatch.setattr(duckdb_file, "TABLES", TABLES | {grown.name: grown})
    office.publish()
    office.assert_true()
    assert office.publisher.rows("SELECT DISTINCT site FROM systems") == [{"site": None}]


def test_a_snapshot_that_the_history_lost_is_not_told_of(office: Office) -> None:
    office.publish()
    history = office.publisher.history.root
    shutil.copytree(history, history.with_name("backup"))
    lost = office.publish()
    shutil.rmtree(history)
    history.with_name("backup").rename(history)
    office.publish()
    office.assert_true()
    ids = office.publisher.rows("SELECT snapshot_id FROM snapshots")
    assert lost not in {row["snapshot_id"] for row in ids}


def test_changed_thresholds_take_the_place_of_those_before(office: Office) -> None:
    office.publish("other")
    office.publish()
    office.publish(thresholds=Thresholds(stale_days=3, few_devices=2))
    office.assert_true()
    rows = office.publisher.rows("SELECT integration, stale_days FROM findings.thresholds")
    assert sorted(rows, key=str) == [
        {"integration": "acme", "stale_days": 3},
        {"integration": "other", "stale_days": DEFAULT_THRESHOLDS.stale_days},
    ]


def test_a_publication_ends_what_a_crash_cut_short_after_the_history_forgot(office: Office) -> None:
    office.publish("gone")
    office.publish()
    # The file is made anew after this, unless the power fails.
    office.publisher.history.drop_integration("gone")
    office.publish()
    office.assert_true()
    assert not {row for rows in tables_in(office.file).values() for row in rows if "gone" in row}


def test_a_pull_from_before_the_latest_snapshot_is_refused_until_that_is_removed(
    office: Office,
) -> None:
    office.publish()
    office.days = count(10)
    future = office.publish()
    published = tables_in(office.file)
    office.days = count(5)
    manifest = office.publisher.history.manifest_path("acme", future)
    message = f"acme: this pull started at .*, before .* {future}: .*, remove {manifest}; then run"
    with pytest.raises(InventoryError, match=message):
        office.publish()
    assert tables_in(office.file) == published
    office.publish("other")
    manifest.unlink()
    latest = office.publish()
    office.assert_true()
    rows = office.publisher.rows("SELECT last_snapshot_id FROM integrations ORDER BY integration")
    assert rows[0] == {"last_snapshot_id": latest}
    told = office.publisher.rows("SELECT DISTINCT snapshot_id FROM changes")
    assert told == [{"snapshot_id": latest}]
