"""The page of the report is text, shapes and style, for everyone, and nothing that is loaded."""

import base64
import hashlib
import re
import shutil
import time
from pathlib import Path

import duckdb
import pytest

from pipelines.history.store import SnapshotStore
from pipelines.publish.database import build_duckdb_file
from pipelines.report import render as report_page
from pipelines.report.queries import MAX_POINTS, MAX_SHARES
from pipelines.report.render import write_report
from tests.support import DATA
from tests.support.browser import NEEDS_CHROMIUM, chromium
from tests.support.parsed_html import numbers, parsed, report_of, text_of

STORED = DATA / "first_version" / "history"
CHARTS = 8
EVIL = '<script>alert("1")</script><img src=x onerror=alert(2)>'


@pytest.fixture
def file(fast_tmp_path: Path) -> Path:
    """A published file of two snapshots, between which everything in the second came."""
    path = fast_tmp_path / "inventory.duckdb"
    build_duckdb_file(SnapshotStore(STORED), path)
    with duckdb.connect(path) as connection:
        connection.execute(
            """
INSERT INTO snapshots SELECT * REPLACE (
    '20251231T000000Z' AS snapshot_id, started_at - INTERVAL 1 DAY AS started_at
) FROM snapshots;
INSERT INTO changes
SELECT integration, last_snapshot_id, 'systems', system_id, '', last_seen_at, 'added', NULL,
    json_object('hostname', hostname)
FROM systems JOIN integrations USING (integration)"""
        )
    return path


def test_names_are_text_and_nothing_else(file: Path) -> None:
    with duckdb.connect(file) as connection:
        for table, column in (
            ("integrations", "organization_name"),
            ("integrations", "description"),
            ("systems", "os"),
            ("systems", "hostname"),
            ("users", "username"),
            ("system_groups", "name"),
        ):
            connection.execute(f"UPDATE {table} SET {column} = $1", [EVIL])
        connection.execute(
            "UPDATE users SET suspended = TRUE; "
            "UPDATE system_group_users SET sudo_without_password = TRUE"
        )
    page = report_of(file)
    assert not page.all("script")
    assert not page.all("img")
    assert not [name for each in page.all() for name in each.attributes if name.startswith("on")]
    for place in (
        page.one("dl"),
        page.one("table", data_table="operating-systems"),
        page.one("table", data_table="changes"),
        page.one("li", data_finding="suspended_users_with_access"),
        page.one("li", data_finding="groups_with_passwordless_sudo"),
    ):
        assert EVIL in [each.text for each in place.all("bdi")], place
    assert EVIL[:10] in page.one("svg", aria_label="Operating systems of devices").text


@NEEDS_CHROMIUM
def test_a_browser_runs_no_name_loads_nothing_and_opens_what_a_link_names(file: Path) -> None:
    with duckdb.connect(file) as connection:
        connection.execute("UPDATE systems SET os = $1, hostname = $1", [EVIL])
        connection.execute(
            "INSERT INTO integrations SELECT * REPLACE ('two' AS integration) FROM integrations; "
            "INSERT INTO snapshots SELECT * REPLACE ('two' AS integration) FROM snapshots"
        )
    path = file.with_name("report.html")
    write_report(file, path)
    told: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 380, "height": 800}, color_scheme="dark")
        page.on("dialog", lambda dialog: told.append(dialog.message))
        page.on("console", lambda message: told.append(message.text))
        page.on("request", lambda request: told.append(request.url))
        page.goto(path.as_uri())
        heading = page.locator("#integration-two").get_by_text("Findings", exact=True)
        assert not heading.is_visible()
        page.get_by_role("link", name="two").focus()
        page.keyboard.press("Enter")
        heading.wait_for(state="visible")
        assert page.locator("script, img").count() == 0
        # The style counts, in the dark as well, and nothing is wider than a telephone.
        background = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(background) == "rgb(18, 23, 30)"
        assert page.evaluate("document.documentElement.scrollWidth") == 380
    assert {each.partition("#")[0] for each in told} == {path.as_uri()}


@NEEDS_CHROMIUM
def test_paper_has_what_is_closed_on_the_screen(file: Path) -> None:
    with duckdb.connect(file) as connection:
        double(connection, "two")
        connection.execute("UPDATE users SET suspended = TRUE")
    path = file.with_name("report.html")
    write_report(file, path)
    with chromium() as browser:
        page = browser.new_page()
        page.goto(path.as_uri())
        closed = page.get_by_text("Completeness of the pull")
        assert closed.count() == 2
        assert not any(each.is_visible() for each in closed.all())
        page.emulate_media(media="print")
        assert all(each.is_visible() for each in closed.all())
        numbers_over_time = page.get_by_text("Rows at each snapshot, latest first.")
        assert all(each.is_visible() for each in numbers_over_time.all())
        on_paper = len(page.pdf())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert on_paper > 0.9 * len(page.pdf())


def double(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Give the file a second integration with the same in it."""
    for schema, table in connection.sql(
        "SELECT schema_name, table_name FROM duckdb_tables()"
    ).fetchall():
        connection.execute(
            f"INSERT INTO {schema}.{table} SELECT * REPLACE ($1 AS integration) "
            f"FROM {schema}.{table} WHERE integration = 'acme'",
            [name],
        )


@pytest.mark.parametrize("name", ["content", "integrations", "two-title", "title-acme"])
def test_no_integration_has_the_name_of_a_place_in_the_page(file: Path, name: str) -> None:
    with duckdb.connect(file) as connection:
        double(connection, name)
    page = report_of(file)
    ids = [each.attributes["id"] for each in page.all() if "id" in each.attributes]
    assert len(ids) == len(set(ids))
    links = {each.attributes["href"].removeprefix("#") for each in page.all("a")}
    assert links <= set(ids)
    assert len(links) == 3


@pytest.mark.parametrize("control", ["\u202a", "\u202e", "\u2066", "\u2069", "\x1b"])
def test_no_name_turns_the_text_around_it(file: Path, control: str) -> None:
    with duckdb.connect(file) as connection:
        for table, column in (("systems", "os"), ("users", "username")):
            connection.execute(f"UPDATE {table} SET {column} = $1", [f"a{control}b"])
        connection.execute("UPDATE users SET suspended = TRUE")
    text = text_of(file)
    assert control not in text
    assert "a\ufffdb" in parsed(text).one("li", data_finding="suspended_users_with_access").text


def test_the_page_loads_nothing(file: Path) -> None:
    text = text_of(file)
    page = parsed(text)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|@font-face", text)
    for element in page.all():
        assert element.tag not in {"script", "link", "iframe", "object", "embed", "img", "base"}
        assert not {"src", "srcset", "style", "xlink:href"} & set(element.attributes)
        assert element.attributes.get("href", "#").startswith("#")
    style = page.one("style").texts[0]
    assert isinstance(style, str)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert policy.split("; ") == [
        "default-src 'none'",
        f"style-src 'sha256-{digest}'",
        "base-uri 'none'",
        "form-action 'none'",
    ]


def test_those_who_cannot_see_it_are_told_the_same(file: Path) -> None:
    page = report_of(file)
    assert page.one("html").attributes["lang"] == "en"
    assert len(page.all("main")) == len(page.all("h1")) == 1
    charts = page.all("svg")
    assert len(charts) == CHARTS
    assert all(each.attributes["role"] == "img" for each in charts)
    assert all(each.attributes["aria-label"] for each in charts)
    # Each chart has its table.
    tables = {each.attributes.get("data-table") for each in page.all("table")}
    assert {"course", "operating-systems", "last-contact", "coverage"} <= tables
    for header in page.all("th"):
        assert header.attributes["scope"] in {"row", "col"}
    for region in page.all(role="region"):
        assert {"aria-label", "aria-labelledby"} & set(region.attributes)
        assert region.attributes["tabindex"] == "0"
    ids = [each.attributes["id"] for each in page.all() if "id" in each.attributes]
    assert len(ids) == len(set(ids))
    levels = [int(each.tag[1]) for each in page.all() if re.fullmatch(r"h\d", each.tag)]
    assert all(after <= before + 1 for before, after in zip([0, *levels], levels, strict=False))


def test_the_same_file_gives_the_same_page(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = text_of(file)
    copy = Path(shutil.copy(file, file.with_name("copy.duckdb")))
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    time.tzset()
    try:
        assert text_of(copy) == first
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_file_without_integrations_says_so(file: Path) -> None:
    with duckdb.connect(file) as connection:
        for table in ("integrations", "snapshots", "systems", "users", "completeness"):
            connection.execute(f"DELETE FROM {table}")
    assert "No integration has published yet." in report_of(file).text


def test_the_page_of_very_many_integrations_stays_small(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with duckdb.connect(file) as connection:
        double(connection, "two")
        double(connection, "three")
        connection.execute("UPDATE users SET suspended = TRUE WHERE integration = 'two'")
    whole = len(text_of(file))
    monkeypatch.setattr(report_page, "MAX_BYTES", whole // 2)
    monkeypatch.setattr(report_page, "MAX_LISTED", 2)
    page = report_of(file)
    assert [row[0] for row in page.one("section").one("table").rows()] == ["two", "acme"]
    assert len(page.all("details", **{"class": "integration"})) == 1
    assert [each.attributes["href"] for each in page.all("a")] == ["#content", "#integration-two"]
    assert "Below are the first 1 of them" in page.text
    assert "The first 2 of 3 are listed" in page.text


def test_a_long_course_many_systems_and_long_names_are_cut_and_the_latest_stays(file: Path) -> None:
    more = 3 * MAX_POINTS
    latest = "20261123T144621Z"
    with duckdb.connect(file) as connection:
        connection.execute(
            f"""
DELETE FROM snapshots WHERE snapshot_id <> '{latest}';
INSERT INTO snapshots SELECT s.* REPLACE (
    'old-' || r.range AS snapshot_id, started_at - INTERVAL 1 DAY * r.range AS started_at,
    json_object('systems', 1000 - r.range) AS rows
) FROM snapshots s, range(1, {more}) r;
INSERT INTO systems SELECT s.* REPLACE (s.system_id || r.range AS system_id)
FROM systems s, range(4) r;
UPDATE systems SET os = 'System ' || system_id"""
        )
        connection.execute("UPDATE integrations SET organization_name = repeat('x', 10_000)")
    text = text_of(file)
    page = parsed(text)
    assert "x" * 100 not in text
    course = page.one("table", data_table="course").rows()
    assert len(course) == MAX_POINTS
    assert course[0][0] == "2026-11-23 14:46 UTC"
    assert [numbers(row[1:2])[0] for row in course[:3]] == [6, 997, 994]
    assert f"Rows at {MAX_POINTS} of {more} snapshots" in page.text
    shares = page.one("table", data_table="operating-systems").rows()
    assert len(shares) == MAX_SHARES + 1
    assert sum(numbers([row[1] for row in shares])) == 6 * 5
