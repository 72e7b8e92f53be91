"""The page of the report: safe, self-contained, accessible and bounded."""

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
from pipelines.report import render as report_render
from pipelines.report.queries import MAX_POINTS, MAX_SHARES
from pipelines.report.render import write_report
from tests.support import DATA
from tests.support.browser import NEEDS_CHROMIUM, chromium
from tests.support.parsed_html import numbers, parsed, report_of, text_of
from tests.support.tables import record_findings

STORED = DATA / "first_version" / "history"
LINE_CHARTS = 5
BAR_ROWS = 4 + 6 + 3
BAR_TABLES = ("operating-systems", "last-contact", "coverage")
EVIL = '<script>alert("1")</script><img src=x onerror=alert(2)>'


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published file of two snapshots; the second added every system."""
    path = tmp_path_factory.mktemp("built") / "inventory.duckdb"
    build_duckdb_file(SnapshotStore(STORED), path)
    path.chmod(0o600)  # the tests change it
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


@pytest.fixture
def file(built: Path, fast_tmp_path: Path) -> Path:
    """Return a copy of the file that the test may change."""
    return Path(shutil.copy(built, fast_tmp_path))


def test_names_are_escaped(file: Path) -> None:
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
        record_findings(connection)
    page = report_of(file)
    assert not page.all("script")
    assert not page.all("img")
    assert not [
        name for element in page.all() for name in element.attributes if name.startswith("on")
    ]
    for place in (
        page.one("dl"),
        page.one("table", data_table="operating-systems"),
        page.one("table", data_table="changes"),
        page.one("li", data_finding="suspended_users_with_access"),
        page.one("li", data_finding="groups_with_passwordless_sudo"),
    ):
        assert EVIL in [name.text for name in place.all("bdi")], place


@NEEDS_CHROMIUM
def test_browser_runs_no_script_and_follows_links(file: Path) -> None:
    with duckdb.connect(file) as connection:
        connection.execute("UPDATE systems SET os = $1, hostname = $1", [EVIL])
        connection.execute(
            "INSERT INTO integrations SELECT * REPLACE ('two' AS integration) FROM integrations; "
            "INSERT INTO snapshots SELECT * REPLACE ('two' AS integration) FROM snapshots"
        )
    path = file.with_name("report.html")
    write_report(file, path)
    events: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 380, "height": 800}, color_scheme="dark")
        page.on("dialog", lambda dialog: events.append(dialog.message))
        page.on("console", lambda message: events.append(message.text))
        page.on("request", lambda request: events.append(request.url))
        page.goto(path.as_uri())
        heading = page.locator("#integration-two").get_by_text("Findings", exact=True)
        assert not heading.is_visible()
        page.get_by_role("link", name="two").focus()
        page.keyboard.press("Enter")
        heading.wait_for(state="visible")
        assert page.locator("script, img").count() == 0
        # The style sheet applies, in dark mode too, and nothing is wider than a phone.
        background = "getComputedStyle(document.body).backgroundColor"
        assert page.evaluate(background) == "rgb(18, 23, 30)"
        assert page.evaluate("document.documentElement.scrollWidth") == 380
    assert {event.partition("#")[0] for event in events} == {path.as_uri()}


@NEEDS_CHROMIUM
def test_print_shows_closed_sections(file: Path) -> None:
    with duckdb.connect(file) as connection:
        add_copy(connection, "two")
        connection.execute("UPDATE users SET suspended = TRUE")
        record_findings(connection)
    path = file.with_name("report.html")
    write_report(file, path)
    with chromium() as browser:
        page = browser.new_page()
        page.goto(path.as_uri())
        closed = page.get_by_text("Completeness of the pull")
        assert closed.count() == 2
        assert not any(heading.is_visible() for heading in closed.all())
        page.emulate_media(media="print")
        assert all(heading.is_visible() for heading in closed.all())
        numbers_over_time = page.get_by_text("Rows at each snapshot, latest first.")
        assert all(table.is_visible() for table in numbers_over_time.all())
        on_paper = len(page.pdf())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert on_paper > 0.9 * len(page.pdf())


def add_copy(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Add an integration with the same rows to the file."""
    for schema, table in connection.sql(
        "SELECT schema_name, table_name FROM duckdb_tables()"
    ).fetchall():
        connection.execute(
            f"INSERT INTO {schema}.{table} SELECT * REPLACE ($1 AS integration) "
            f"FROM {schema}.{table} WHERE integration = 'acme'",
            [name],
        )


@pytest.mark.parametrize("name", ["content", "integrations", "two-title", "title-acme"])
def test_integration_names_do_not_clash_with_page_ids(file: Path, name: str) -> None:
    with duckdb.connect(file) as connection:
        add_copy(connection, name)
    page = report_of(file)
    ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    links = {link.attributes["href"].removeprefix("#") for link in page.all("a")}
    assert links <= set(ids)
    assert len(links) == 3


@pytest.mark.parametrize("control", ["\u202a", "\u202e", "\u2066", "\u2069", "\x1b"])
def test_control_characters_are_replaced(file: Path, control: str) -> None:
    with duckdb.connect(file) as connection:
        for table, column in (("systems", "os"), ("users", "username")):
            connection.execute(f"UPDATE {table} SET {column} = $1", [f"a{control}b"])
        connection.execute("UPDATE users SET suspended = TRUE")
        record_findings(connection)
    text = text_of(file)
    assert control not in text
    assert "a\ufffdb" in parsed(text).one("li", data_finding="suspended_users_with_access").text


def test_page_loads_nothing(file: Path) -> None:
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


def test_page_is_accessible(file: Path) -> None:
    page = report_of(file)
    assert page.one("html").attributes["lang"] == "en"
    assert len(page.all("main")) == len(page.all("h1")) == 1
    lines = page.all("svg", role="img")
    assert len(lines) == LINE_CHARTS
    assert all(line.attributes["aria-label"] for line in lines)
    assert page.all("table", data_table="trend")
    # A bar repeats the numbers of its row, so screen readers skip it.
    bars = page.all("svg", aria_hidden="true")
    assert len(bars) == BAR_ROWS
    tables = [page.one("table", data_table=name) for name in BAR_TABLES]
    assert sum(len(table.all("svg")) for table in tables) == BAR_ROWS
    for header in page.all("th"):
        assert header.attributes["scope"] in {"row", "col"}
    for region in page.all(role="region"):
        assert {"aria-label", "aria-labelledby"} & set(region.attributes)
        assert region.attributes["tabindex"] == "0"
    ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    levels = [int(element.tag[1]) for element in page.all() if re.fullmatch(r"h\d", element.tag)]
    assert all(after <= before + 1 for before, after in zip([0, *levels], levels, strict=False))


def test_same_file_gives_same_page(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_file_without_integrations_has_a_message(file: Path) -> None:
    with duckdb.connect(file) as connection:
        for table in ("integrations", "snapshots", "systems", "users", "completeness"):
            connection.execute(f"DELETE FROM {table}")
    assert "No integration has published yet." in report_of(file).text


def test_many_integrations_are_cut_to_the_size_limit(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with duckdb.connect(file) as connection:
        add_copy(connection, "two")
        add_copy(connection, "three")
        connection.execute("UPDATE users SET suspended = TRUE WHERE integration = 'two'")
        record_findings(connection)
    whole = len(text_of(file))
    monkeypatch.setattr(report_render, "MAX_BYTES", whole // 2)
    monkeypatch.setattr(report_render, "MAX_LISTED", 2)
    page = report_of(file)
    assert [row[0] for row in page.one("section").one("table").rows()] == ["two", "acme"]
    assert len(page.all("details", **{"class": "integration"})) == 1
    assert [link.attributes["href"] for link in page.all("a")] == ["#content", "#integration-two"]
    assert "The sections below cover the first 1 integrations" in page.text
    assert "The first 2 of 3 are listed" in page.text


def test_long_trends_lists_and_names_are_cut(file: Path) -> None:
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
    trend = page.one("table", data_table="trend").rows()
    assert len(trend) == MAX_POINTS
    assert trend[0][0] == "2026-11-23 14:46 UTC"
    assert [numbers(row[1:2])[0] for row in trend[:3]] == [6, 997, 994]
    assert f"Rows at {MAX_POINTS} of {more} snapshots" in page.text
    shares = page.one("table", data_table="operating-systems").rows()
    assert len(shares) == MAX_SHARES + 1
    assert sum(numbers([row[2] for row in shares])) == 6 * 5


def test_line_runs_from_first_to_last_snapshot_and_from_zero(file: Path) -> None:
    with duckdb.connect(file) as connection:
        connection.execute(
            "UPDATE snapshots SET rows = json_object('systems', 3) "
            "WHERE snapshot_id = '20251231T000000Z'"
        )
    svg = report_of(file).one("figure", data_count="systems").one("svg")
    assert svg.one("polyline").attributes["points"] == "0.0,50.0 100.0,0.0"
    assert svg.attributes["aria-label"] == "Systems over time, at most 6"
    with duckdb.connect(file) as connection:
        connection.execute("DELETE FROM snapshots WHERE snapshot_id = '20251231T000000Z'")
    svg = report_of(file).one("figure", data_count="systems").one("svg")
    assert svg.one("polyline").attributes["points"] == "0.0,0.0 0.0,0.0"


def test_bars_show_the_numbers_of_their_row(file: Path) -> None:
    with duckdb.connect(file) as connection:
        connection.execute(
            "UPDATE systems SET disk_encrypted = [TRUE, TRUE, TRUE, FALSE, FALSE, NULL][rank] "
            "FROM (SELECT system_id AS id, row_number() OVER () AS rank FROM systems) "
            "WHERE system_id = id"
        )
    first, *_ = report_of(file).one("table", data_table="coverage").one("tbody").all("tr")
    assert [cell.text.split()[0] for cell in first.all("td", **{"class": "number"})] == [*"321"]
    assert [
        (part.attributes["class"], part.attributes["x"], part.attributes["width"])
        for part in first.all("rect")
    ] == [
        ("yes", "0.00%", "50.00%"),
        ("no", "50.00%", "33.33%"),
        ("unknown", "83.33%", "16.67%"),
    ]
