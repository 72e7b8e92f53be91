"""docs/how-to/jumpcloud.md has the calls, scopes and hosts of the code."""

from urllib.parse import urlsplit

from pipelines.config.integration import REGION_URLS, TOKEN_URLS
from pipelines.jumpcloud.endpoints import ENDPOINTS
from tests.support import ROOT

PAGE = (ROOT / "docs" / "how-to" / "jumpcloud.md").read_text()


def test_page_has_every_call_with_its_least_scope() -> None:
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| `GET /")]
    assert [(row[0].removeprefix("| "), row[1]) for row in rows] == [
        (_format_calls(endpoint.path, endpoint.search_path), f"`{endpoint.scope}`")
        for endpoint in ENDPOINTS.values()
    ]


def _format_calls(path: str, search_path: str) -> str:
    return f"`GET {path}`" + (f", `POST {search_path}`" if search_path else "")


def test_page_has_every_host() -> None:
    for region, url in REGION_URLS.items():
        assert f'| `{urlsplit(url).hostname}` | `region = "{region}"` |' in PAGE
    assert f"`{urlsplit(TOKEN_URLS['us']).hostname}`" in PAGE
