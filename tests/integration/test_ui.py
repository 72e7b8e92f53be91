"""The UI in a real browser."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from assets_defs.resources import PREVIEW_ROWS
from pipelines.config.credentials import load_credentials
from pipelines.config.integration import Integration
from pipelines.ratelimit.saved_rates import MAX_SAVED_RATE
from pipelines.simulator import Server, Sizes, generate
from pipelines.workspace import Workspace
from tests.support.browser import NEEDS_CHROMIUM, chromium
from tests.support.cli import KEY_VARIABLE
from tests.support.ui import PATIENCE_SECONDS, served_ui

SMALL = Sizes(systems=30, users=20, system_groups=6, user_groups=3, applications=3)
LOCATION = "assets_defs.definitions"

pytestmark = NEEDS_CHROMIUM


@pytest.fixture
def ui(
    fast_tmp_path: Path, serve: Callable[..., Server], integration: Callable[..., Integration]
) -> Iterator[str]:
    """Yield the address of `jumpcloud-inventory ui` with two integrations."""
    server = serve(generate(sizes=SMALL))
    settings, data = fast_tmp_path / "integrations.toml", fast_tmp_path / "data"
    settings.write_text(
        "\n".join(
            f'[[integration]]\nname = "{name}"\nbase_url = "{server.base_url}"\n'
            f'api_key_env = "{KEY_VARIABLE}"'
            for name in ("acme", "other")
        )
    )
    key = load_credentials(integration(server)).identity
    Workspace(data).saved_rates.put(key, MAX_SAVED_RATE)
    environment = {
        KEY_VARIABLE: os.environ[KEY_VARIABLE],
        "JUMPCLOUD_INVENTORY_CONFIG": str(settings),
        "JUMPCLOUD_INVENTORY_HOME": str(data),
    }
    with served_ui(environment, ctrl_c=True) as address:
        yield address


@pytest.fixture
def page(ui: str, tmp_path: Path) -> Iterator[Page]:
    """Yield a page that can reach only the UI; take a screenshot at the end."""
    with chromium() as browser:
        context = browser.new_context(
            base_url=ui, viewport={"width": 1500, "height": 900}, timezone_id="UTC", locale="en-GB"
        )
        context.set_default_timeout(PATIENCE_SECONDS * 1000)
        page = context.new_page()
        yield page
        page.screenshot(path=tmp_path / "end.png")


def test_user_sees_graph_and_schedule_and_runs_one_integration(page: Page, tmp_path: Path) -> None:
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    expect_schedule(page, tmp_path)
    expect_graph(page, tmp_path)
    launch(page, "acme")
    expect_success(page, tmp_path)
    expect_rows(page, tmp_path)
    expect_publication(page, tmp_path)


def expect_schedule(page: Page, photographs: Path) -> None:
    page.goto("/automation")
    for name in ("refresh_due_integrations", "alert_on_failure", "alert_on_late"):
        expect(page.get_by_text(name, exact=True)).to_be_visible()
    page.screenshot(path=photographs / "automation.png")
    page.goto(f"/locations/{LOCATION}/sensors/refresh_due_integrations")
    switch = page.get_by_role("row").filter(has_text="Running").get_by_role("checkbox")
    expect(switch).to_be_checked()
    page.screenshot(path=photographs / "schedule.png")


def expect_graph(page: Page, photographs: Path) -> None:
    page.goto("/asset-groups")
    for group in ("jumpcloud", "inventory", "published"):
        expect(page.get_by_text(group, exact=True).last).to_be_visible()
    page.screenshot(path=photographs / "graph.png")


def launch(page: Page, partition: str) -> None:
    """Materialize all assets of one partition from the graph."""
    page.get_by_role("button", name="Materialize all").click()
    dialog = page.get_by_role("dialog").filter(has_text="Launch runs")
    dialog.get_by_text("Select a partition or create one").click()
    page.locator("span").filter(has_text=re.compile(f"^{partition}$")).click()
    dialog.get_by_role("button", name="Launch 1 run").click()
    expect(page.get_by_text("Launched run")).to_be_visible()


def expect_success(page: Page, photographs: Path) -> None:
    """Check that the launched run succeeds."""
    page.get_by_text("View", exact=True).click()
    page.wait_for_url(re.compile("/runs/"))
    expect(page.get_by_text("partition: acme")).to_be_visible()
    expect(page.get_by_text("48 assets")).to_be_visible()
    expect(page.get_by_text(re.compile("^(Success|Failure)$"))).to_have_text("Success")
    page.screenshot(path=photographs / "run.png")


def expect_rows(page: Page, photographs: Path) -> None:
    """Check the rows of the integration that was pulled, and the status table."""
    page.goto("/assets/inventory/systems?view=partitions&partition=acme")
    expect(page.get_by_text("Materialized (1)")).to_be_visible()
    expect(page.get_by_text("Missing (1)")).to_be_visible()
    preview = page.get_by_role("table").filter(has_text="hostname").last
    expect(preview.get_by_role("row")).to_have_count(1 + PREVIEW_ROWS)
    page.screenshot(path=photographs / "preview.png")
    page.goto("/assets/inventory/status")
    status = page.get_by_role("table").filter(has_text="last run").last
    expect(status.get_by_role("row").filter(has_text="acme")).to_contain_text("success")
    page.screenshot(path=photographs / "status.png")


def expect_publication(page: Page, photographs: Path) -> None:
    """Check the freshness policy and the plots of the published file, a table and the findings."""
    page.goto("/assets/inventory/inventory_duckdb")
    for words in ("Warns if more than 13 hours", "Fails if more than 25 hours", "report.html"):
        expect(page.get_by_text(words)).to_be_visible()
    page.screenshot(path=photographs / "published.png")
    page.get_by_text("Plots", exact=True).last.click()
    page.get_by_text("Events", exact=True).last.click()
    for plot in ("systems", "users", "findings_high"):
        expect(page.get_by_text(plot, exact=True)).to_be_visible()
    page.goto("/assets/inventory/users")
    for words in ("main.users", "SELECT username", "key: integration, user_id", "non-nullable"):
        expect(page.get_by_text(words).first).to_be_visible()
    page.get_by_text("Plots", exact=True).last.click()
    expect(page.get_by_text("dagster/row_count", exact=True)).to_be_visible()
    page.screenshot(path=photographs / "plots.png")
    page.goto("/assets/inventory/findings?view=checks")
    expect(page.get_by_text("Severity: ")).to_be_visible()
    page.screenshot(path=photographs / "findings.png")
