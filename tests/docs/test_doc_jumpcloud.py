"""docs/how-to/jumpcloud.md names the calls, scopes and hosts that the code has."""

from urllib.parse import urlsplit

from pipelines.config.integration import REGION_URLS, TOKEN_URLS
from pipelines.jumpcloud.endpoints import ENDPOINTS
from tests.support import ROOT

PAGE = (ROOT / "docs" / "how-to" / "jumpcloud.md").read_text()


def test_every_call_is_there_with_its_least_scope() -> None:
    rows = [line.split(" | ") for line in PAGE.splitlines() if line.startswith("| `GET /")]
    assert [(row[0].removeprefix("| "), row[1]) for row in rows] == [
        (_calls(endpoint.path, endpoint.search_path), f"`{endpoint.scope}`")
        for endpoint in ENDPOINTS.values()
    ]


def _calls(path: str, search_path: str) -> str:
    return f"`GET {path}`" + (f", `POST {search_path}`" if search_path else "")


def test_every_host_is_there() -> None:
    for region, url in REGION_URLS.items():
        assert f'| `{urlsplit(url).hostname}` | `region = "{region}"` |' in PAGE
    assert f"`{urlsplit(TOKEN_URLS['us']).hostname}`" in PAGE
