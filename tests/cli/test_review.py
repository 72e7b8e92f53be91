"""An access review: its workbooks, their return, and the removals that later pulls show."""

import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from openpyxl import Workbook, load_workbook

from pipelines.config.settings import KeepSnapshots
from pipelines.history.retention import expire_snapshots
from pipelines.simulator import Organization
from pipelines.simulator.data.records import Attributes, Rng
from tests.support.publisher import FIRST_DAY, Publisher, Pulled, Rows, on_day, tables_in

SUDO: Attributes = {"sudo": {"enabled": True, "withoutPassword": False}}
NO_SUDO: Attributes = {"sudo": {"enabled": False, "withoutPassword": False}}
OUTCOMES = """
SELECT item, username, target_name, decision, reason, removed_after, removed_before,
    returned_after, returned_before FROM review_items WHERE decision = 'remove' ORDER BY item
"""


def day(number: int) -> datetime:
    return FIRST_DAY + timedelta(days=number)


class Office:
    """An organization, its publisher, and the command."""

    def __init__(
        self, publisher: Publisher, pull: Callable[..., Pulled], ask: Callable[..., Result]
    ) -> None:
        self.publisher, self._pull, self._ask = publisher, pull, ask
        self.folder = publisher.home / "out"
        org = self.org = Organization("Acme", Rng(1))
        self.boss = org.add_user(username="boss")
        self.ann = org.add_user(username="ann", manager=self.boss, displayname='=1+1 <&> "é"')
        self.bob = org.add_user(username="bob", manager=self.boss)
        self.laptop = org.add_system(hostname="laptop")
        self.servers = org.add_group("Servers")
        self.team = org.add_group("Team", "user_group")
        self.app = org.add_application(displayLabel="Wiki")
        org.add_member(self.servers, self.laptop)
        org.add_member(self.team, self.bob)
        org.bind(self.servers, "user", self.ann, SUDO)
        org.bind(self.app, "user_group", self.team, None)
        org.bind(self.app, "user", self.boss, None)
        org.bind_system(self.bob, self.laptop, NO_SUDO)
        org.bind_system(self.team, self.laptop, SUDO)

    def publish(self, day: int, **settings: object) -> None:
        """Pull the organization on that day, and publish it."""
        self.publisher.commit(on_day(day, self._pull(self.org, **settings)), "kept")
        self.ask("rebuild")

    def ask(self, *arguments: str) -> str:
        result = self._ask(*arguments)
        assert result.exit_code == 0, result.output
        return result.output

    def refuse(self, *arguments: str) -> str:
        result = self._ask(*arguments)
        assert result.exit_code == 1, result.output
        return result.stderr

    def create(self, kind: str) -> dict[str, Path]:
        """Create a review; return its workbooks by the name of their reviewer."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.ask("review", "create", "--by", kind, "--output", str(self.folder))
        return {path.stem.partition("-")[2]: path for path in sorted(self.folder.iterdir())}

    @property
    def items(self) -> Rows:
        return self.publisher.rows("FROM review_items ORDER BY review_id, item")


@pytest.fixture
def office(publisher: Publisher, pull: Callable[..., Pulled], ask: Callable[..., Result]) -> Office:
    office = Office(publisher, pull, ask)
    office.publish(0)
    return office


def decide(path: Path, decision: str, *names: str) -> None:
    """Fill in the decision about accesses to these names, or to all."""
    book = load_workbook(path)
    for row in book["Access"].iter_rows(min_row=2):
        if not names or row[7].value in names:
            row[12].value, row[13].value = decision, "left the team"
    book.save(path)


def test_removed_and_returned_access_is_noticed(office: Office) -> None:
    books = office.create("manager")
    assert list(books) == ["boss", "no-manager"]
    decide(books["boss"], "Remove ", "Wiki", "laptop")
    imported = office.ask("review", "import", *map(str, books.values()))
    assert "2 of 4 decided" in imported
    assert "0 of 1 decided" in imported
    assert "2 of 5 decided, 0 of 2 removed" in office.ask("review", "status")

    office.org.unbind(office.app, "user_group", office.team)
    # A pull that did not ask shows neither a removal nor a return.
    office.publish(1, skip_endpoints=["applications"])
    assert [row["removed_before"] for row in office.publisher.rows(OUTCOMES)] == [None, None]
    office.publish(2)
    wiki, laptop = office.publisher.rows(OUTCOMES)
    assert (wiki["username"], wiki["target_name"], wiki["reason"]) == (
        "bob",
        "Wiki",
        "left the team",
    )
    assert (wiki["removed_after"], wiki["removed_before"]) == (day(0), day(2))
    assert wiki["returned_before"] is laptop["removed_before"] is None
    assert "1 of 2 removed" in office.ask("review", "status")

    office.org.bind(office.app, "user_group", office.team, None)
    office.publish(4)
    wiki, _ = office.publisher.rows(OUTCOMES)
    assert (wiki["removed_before"], wiki["returned_after"], wiki["returned_before"]) == (
        day(2),
        day(2),
        day(4),
    )
    review_id = str(office.items[0]["review_id"])
    lines = office.ask("review", "status", review_id).splitlines()
    assert lines[1:] == [
        "  boss: 2 of 4 decided, 0 of 2 removed, 1 returned",
        "  no manager: 0 of 1 decided",
    ]
    page = office.publisher.home / "page.html"
    office.ask("review", "summary", review_id, "--output", str(page))
    text = page.read_text()
    head = office.publisher.rows("SELECT manifest_sha256 FROM reviews")[0]["manifest_sha256"]
    assert head == office.publisher.history.manifest_sha256("kept", "20240130T080000Z")
    assert f"<code>{head}</code>" in text
    assert "still there" in text
    assert '<span class="high">returned</span>' in text
    assert "left the team" in text

    # The published file was extended by the import: a rebuild gives the same.
    decide(books["boss"], "keep")
    former = Path(shutil.copyfile(books["boss"], office.publisher.home / "former.xlsx"))
    decide(former, "remove")
    office.ask("review", "import", str(former), str(books["boss"]))
    extended = tables_in(office.publisher.file)
    assert {row[17] for row in extended["review_items"]} == {"keep", None}
    office.ask("rebuild")
    assert tables_in(office.publisher.file) == extended


def test_workbook_is_what_the_reviewer_may_fill_in(office: Office) -> None:
    path = office.create("system-group")["Servers"]
    book = load_workbook(path)
    sheet = book["Access"]
    (row,) = sheet.iter_rows(min_row=2)
    assert [cell.value for cell in row[:12]] == [
        1, "ann", '=1+1 <&> "é"', office.org.users[office.ann]["email"], "ACTIVATED", None,
        "devices of system group", "Servers", "direct", "yes", "1", "by 2024-01-30 08:00",
    ]  # fmt: skip
    assert sheet.protection.sheet
    assert {c.data_type for c in row[1:12]} <= {"s", "n"}  # no formula
    (rule,) = sheet.data_validations.dataValidation
    assert (rule.formula1, str(rule.sqref)) == ('"keep,remove"', "M2:M1048576")
    assert [sheet.column_dimensions[name].protection.locked for name in "LMN"] == [
        True,
        False,
        False,
    ]
    cover = {row[0]: row[1] for row in book["Review"].iter_rows(values_only=True)}
    assert cover["Snapshot"] == "20240130T080000Z"
    assert cover["Accesses in the population"] == "1"
    assert cover["systemgroups_users"] == "total"
    assert cover["Not read, so not reviewed"] == "nothing"
    assert path.stat().st_mode & 0o077 == 0


def test_accesses_that_were_not_read_are_named(office: Office) -> None:
    office.publish(1, direct_bindings="off")
    path = office.create("manager")["boss"]
    cover = {row[0]: row[1] for row in load_workbook(path)["Review"].iter_rows(values_only=True)}
    assert cover["Not read, so not reviewed"] == "device, devices of user group"
    page = office.publisher.home / "page.html"
    (review,) = office.publisher.rows("FROM reviews")
    office.ask("review", "summary", str(review["review_id"]), "--output", str(page))
    assert "not reviewed: device, devices of user group." in page.read_text()


def test_population_has_every_access_once(office: Office) -> None:
    office.org.update(office.ann, sudo=True)
    office.org.bind(office.servers, "user_group", office.team, SUDO)
    office.publish(1)
    for kind in ("manager", "application", "system-group", "sudo"):
        office.create(kind)
    found: dict[object, list[tuple[object, ...]]] = {}
    for row in office.publisher.rows(
        "FROM review_items JOIN reviews USING (integration, review_id)"
    ):
        target = (row["username"], row["target_type"], row["target_name"], row["since_is_known"])
        found.setdefault(row["reviewed_by"], []).append(target)
    everything = [
        ("ann", "all_systems", "all devices", True),
        ("ann", "system_group", "Servers", False),
        ("bob", "application", "Wiki", False),
        ("bob", "system", "laptop", False),
        ("bob", "system_group", "Servers", True),
        ("bob", "user_group", "Team", False),
        ("boss", "application", "Wiki", False),
    ]
    assert sorted(found.pop("manager")) == everything
    assert {kind: sorted(own) for kind, own in found.items()} == {
        "application": [everything[2], everything[6]],
        "system-group": [everything[1], everything[4]],
        "sudo": [one for one in everything if one[1] not in {"application", "system"}],
    }


def test_lost_sudo_ends_an_access_of_a_sudo_review(office: Office) -> None:
    office.org.update(office.boss, sudo=True)
    office.publish(1)
    (path,) = office.create("sudo").values()
    decide(path, "remove")
    office.ask("review", "import", str(path))
    office.org.bind(office.servers, "user", office.ann, NO_SUDO)  # stays, without sudo
    office.org.update(office.boss, sudo=False)
    office.org.unbind_system(office.team, office.laptop)  # bob stays in the group
    office.publish(2)
    rows = office.publisher.rows(OUTCOMES)
    assert [(row["username"], row["removed_before"]) for row in rows] == [
        ("ann", day(2)), ("bob", day(2)), ("boss", day(2))
    ]  # fmt: skip
    office.org.bind_system(office.team, office.laptop, SUDO)
    office.publish(3)
    rows = office.publisher.rows(OUTCOMES)
    assert [row["returned_before"] for row in rows] == [None, day(3), None]


def test_import_refuses_what_was_not_written(office: Office, tmp_path: Path) -> None:
    path = office.create("manager")["boss"]
    decide(path, "keep")
    whole = path.read_bytes()

    def refused(change: Callable[[Workbook], object]) -> str:
        path.write_bytes(whole)
        book = load_workbook(path)
        change(book)
        book.save(path)
        # The good one is not imported either.
        message = office.refuse("review", "import", str(good), str(path))
        assert office.publisher.rows("SELECT decided FROM reviews") == [{"decided": 0}]
        return re.sub(r".*refused: |\. Fill in.*", "", message.strip())

    good = Path(shutil.copyfile(path, tmp_path / "good.xlsx"))
    assert (
        refused(lambda book: set_cell(book, "Access", "H3", "Other")) == "1 row was changed: item 2"
    )
    assert refused(lambda book: book["Access"].delete_rows(2)) == "1 row was missing: item 1"
    extra = [9, "eve", "", "", "", "", "application", "Wiki"]
    assert (
        refused(lambda book: book["Access"].append(extra)) == "1 row was added or repeated: row 6"
    )
    assert refused(lambda book: set_cell(book, "Access", "A4", 2)).startswith(
        "2 rows were added or repeated: 2, 2; 1 rows are missing: item 3"
    )
    assert "neither keep nor remove: item 1" in refused(
        lambda book: set_cell(book, "Access", "M2", "maybe")
    )
    assert "columns" in refused(lambda book: set_cell(book, "Access", "B1", "User"))
    assert "another snapshot" in refused(lambda book: set_cell(book, "Review", "B8", "0" * 64))
    assert "there is no review 'other'" in refused(
        lambda book: set_cell(book, "Review", "B1", "other")
    )
    assert "no sheets Review and Access" in refused(lambda book: book.remove(book["Review"]))
    path.write_text("no workbook")
    assert "cannot be read as a workbook" in office.refuse("review", "import", str(path))
    office.ask("review", "import", str(good))
    assert office.publisher.rows("SELECT decided FROM reviews") == [{"decided": 4}]


def set_cell(book: Workbook, sheet: str, cell: str, value: object) -> None:
    book[sheet][cell].value = value


def test_review_outlives_retention_and_a_new_name(office: Office, tmp_path: Path) -> None:
    path = office.create("application")["Wiki"]
    before = office.items
    for number in range(1, 4):
        office.publish(number)
    expire_snapshots(office.publisher.history, "kept", KeepSnapshots(all_for_days=1, then="none"))
    assert not office.publisher.history.manifests("kept")[0].has_tables
    decide(path, "remove")
    office.ask("review", "import", str(path))
    assert [row["item"] for row in office.items] == [row["item"] for row in before]
    (tmp_path / "integrations.toml").write_text('[[integration]]\nname = "new"\n')
    office.ask("rename", "kept", "new")
    assert {row["integration"] for row in office.items} == {"new"}
    assert "2 of 2 decided" in office.ask("review", "status", "--integration", "new")
    (tmp_path / "integrations.toml").write_text('[[integration]]\nname = "kept"\n')
    office.ask("forget", "new", "--yes")
    assert office.items == []
    assert not list((office.publisher.home / "reviews").rglob("*.parquet"))


@pytest.mark.skipif(not shutil.which("soffice"), reason="needs LibreOffice")
def test_workbook_returns_through_libreoffice(office: Office, tmp_path: Path) -> None:
    path = office.create("manager")["boss"]
    decide(path, "remove", "laptop")
    command = ["soffice", "--headless", f"-env:UserInstallation={(tmp_path / 'user').as_uri()}"]
    subprocess.run([*command, "--convert-to", "xlsx", "--outdir", tmp_path, path], check=True)
    assert "1 of 4 decided" in office.ask("review", "import", str(tmp_path / path.name))


def test_create_names_what_is_wrong(office: Office, tmp_path: Path) -> None:
    taken = ("review", "create", "--by", "application", "--output", str(tmp_path))
    assert "name a new directory" in office.refuse(*taken)
    assert office.publisher.rows("FROM reviews") == []
    office.org.remove_application(office.app)
    office.publish(1)
    assert "there is no access to review by application" in office.refuse(*taken)
    assert "there is no review 'x'; there are: none" in office.refuse("review", "status", "x")
