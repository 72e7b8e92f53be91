"""The inventory page: its data, its limits, and what a reader can do with it in a browser."""

import base64
import gzip
import json
from pathlib import Path

import duckdb
import pytest
from playwright.sync_api import Page

from pipelines.history.store import SnapshotStore
from pipelines.publish.database import build_duckdb_file
from pipelines.report import page_data
from pipelines.report.page import write_page
from pipelines.report.page_data import read_page_data
from pipelines.report.render import content_hash
from tests.support import DATA
from tests.support.browser import NEEDS_CHROMIUM, chromium
from tests.support.parsed_html import parsed
from tests.support.publisher import Rows
from tests.support.tables import inventory

EVIL = '</script><img src=x onerror=alert(1)><script>alert("2")</script>'
BOUND = {"group_id": "servers", "user_id": "ann", "direct": True, "via_user_group_ids": ["ops"]}
TABLES: dict[str, Rows] = {
    "users": [{"user_id": "ann", "username": "ann"}, {"user_id": "x", "username": "Bob"}],
    "systems": [{"system_id": "db", "hostname": "db-1", "group_names": ["Servers"]}],
    "system_groups": [{"group_id": "servers", "name": "Servers"}],
    "system_group_members": [{"group_id": "servers", "system_id": "db"}],
    "system_group_users": [BOUND | {"sudo": True}],
}


def decoded(column: object) -> list[object]:
    """Return the values of a column."""
    if isinstance(column, list):
        return column
    assert isinstance(column, dict)
    return [None if code is None else column["values"][code] for code in column["codes"]]


def test_rows_name_each_other_by_number() -> None:
    with inventory(**TABLES) as connection:
        tables = read_page_data(connection).tables
    assert decoded(tables["users"]["username"]) == ["Bob", "ann"]
    # Named by a path only, because user groups were not pulled.
    assert decoded(tables["user_groups"]["user_group_id"]) == ["ops"]
    assert tables["system_group_users"] == {
        "group_id": [0, 0],
        "user_id": [1, 1],
        "user_group_id": [0, None],
        "sudo": [True, True],
        "sudo_without_password": [None, None],
    }
    # The page has no list that repeats a relationship.
    assert "group_names" not in tables["systems"]
    assert tables["systems"]["first_seen_at"] == [1706601600]
    assert decoded(tables["events"]["event"]) == ["first_seen"] * 3


def test_page_holds_what_fits_and_counts_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    with inventory(**TABLES) as connection:
        whole = read_page_data(connection)
    used = sum(len(decoded(c)) for t in whole.tables.values() for c in t.values())
    columns = len(whole.tables["events"])
    assert whole.omitted == {}
    for room, omitted in (
        (used, {}),
        (used - 1, {"events": 1}),
        (used - columns - 1, {"events": 2}),
    ):
        monkeypatch.setattr(page_data, "MAX_VALUES", room)
        with inventory(**TABLES) as connection:
            data = read_page_data(connection)
        assert data.omitted == omitted
        assert len(decoded(data.tables["events"]["event"])) == 3 - omitted.get("events", 0)
    # A part of a relationship would look like all of it.
    monkeypatch.setattr(page_data, "MAX_VALUES", 172)
    with inventory(**TABLES) as connection:
        data = read_page_data(connection)
    assert data.omitted["system_group_members"] == 1
    assert data.tables["system_group_members"] == {"group_id": [], "system_id": []}
    # Names fit where fields do not; without devices, groups of devices mean nothing.
    for room, narrowed, lost in ((100, ["users"], 0), (5, ["systems"], 1), (4, [], 1)):
        monkeypatch.setattr(page_data, "MAX_VALUES", room)
        with inventory(**TABLES) as connection:
            data = read_page_data(connection)
        assert narrowed == data.narrowed[: len(narrowed)], data.narrowed
        assert data.omitted.get("system_group_members", 0) == lost


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published file in which every name attacks the page."""
    path = tmp_path_factory.mktemp("page") / "inventory.duckdb"
    build_duckdb_file(SnapshotStore(DATA / "first_version" / "history"), path)
    path.chmod(0o600)
    with duckdb.connect(path) as connection:
        for table, column in (
            ("systems", "hostname"),
            ("systems", "os"),
            ("users", "display_name"),
            ("system_groups", "name"),
            ("applications", "display_label"),
        ):
            connection.execute(f"UPDATE {table} SET {column} = $1", [EVIL])
        connection.execute(
            "UPDATE users SET suspended = TRUE, username = 'ann' WHERE user_id = "
            "(SELECT min(user_id) FROM system_users)"
        )
        # What the next pull would find.
        connection.execute(
            "INSERT INTO finding_history BY NAME "
            "SELECT u.integration, 'suspended_users_with_access' AS finding, "
            "'users' AS asset_type, u.user_id AS asset_id, u.username AS asset_name, "
            "'' AS detail, 'high' AS severity, '{}' AS evidence, i.last_snapshot_id, "
            "s.started_at AS opened_at FROM users u JOIN integrations i USING (integration) "
            "JOIN snapshots s ON s.snapshot_id = i.last_snapshot_id WHERE u.username = 'ann'"
        )
    return path


@pytest.fixture(scope="module")
def page_path(file: Path) -> Path:
    path = file.with_name("inventory.html")
    write_page(file, path)
    return path


def test_page_is_one_closed_file(file: Path, page_path: Path) -> None:
    text = page_path.read_text(encoding="utf-8")
    page = parsed(text)
    data, script = page.all("script")
    content = json.loads(gzip.decompress(base64.b64decode(data.text)))
    assert EVIL in content["tables"]["systems"]["hostname"]["values"]
    assert not page.all("img")
    assert not page.all("link")
    code = text.rpartition("<script>")[2].partition("</script>")[0]
    style = text.partition("<style>")[2].partition("</style>")[0]
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert policy == (
        f"default-src 'none'; style-src '{content_hash(style)}'; "
        f"script-src '{content_hash(code)}'; base-uri 'none'; form-action 'none'"
    )
    assert not script.attributes
    write_page(file, page_path)
    assert page_path.read_text(encoding="utf-8") == text


@NEEDS_CHROMIUM
def test_reader_searches_and_sees_each_path(file: Path, page_path: Path) -> None:
    events: list[str] = []
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 380, "height": 800}, color_scheme="dark")
        page.on("dialog", lambda dialog: events.append(dialog.message))
        page.on("console", lambda message: events.append(message.text))
        page.on("pageerror", lambda error: events.append(str(error)))
        page.on("request", lambda request: events.append(request.url))
        page.goto(page_path.as_uri())
        page.get_by_role("heading", name="What is here").wait_for()
        page.get_by_label("Search a person").fill("ANN")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="ann", exact=True).wait_for()
        expect_paths(page, file)
        page.get_by_role("table").get_by_role("link").first.click()
        page.get_by_role("heading", name="People who reach this device").wait_for()
        assert page.locator("h2").text_content() == EVIL
        page.goto(page_path.as_uri() + "#findings/suspended_users_with_access")
        page.get_by_role("link", name="ann").wait_for()
        assert page.locator("img, script[src]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") == 380
    assert {event.partition("#")[0] for event in events} == {page_path.as_uri()}


def expect_paths(page: Page, file: Path) -> None:
    """Check that the page of Ann has as many paths to each device as the macro."""
    with duckdb.connect(file, read_only=True) as connection:
        query = """
SELECT count(*), count(DISTINCT a.system_id)
FROM systems s, system_access(s.system_id) a WHERE a.username = 'ann'"""
        ((paths, systems),) = connection.sql(query).fetchall()
    devices = page.get_by_role("region", name="Devices this person reaches", exact=True)
    assert devices.locator("tbody tr").count() == systems > 0
    assert devices.locator("tbody li").count() == paths
    assert page.locator("svg.paths").first.is_visible()
    page.get_by_text("Suspended or locked users who still").wait_for()
