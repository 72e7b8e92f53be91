"""Nothing but reads of the configured host can leave, and the key shows nowhere."""

import pytest
import requests

from pipelines.extract.transport import ReadOnlyError, read_only_session
from pipelines.simulator import Organization, Server, Sizes, generate

NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/systems"),
        ("POST", "/api/search/"),
        ("POST", "/api/search/systems/../../systems"),
        ("POST", "/api/search/systems/64b0c0de0000000000000b01"),
        ("POST", "/api/v2/systemgroups"),
        ("PUT", "/api/systems/64b0c0de0000000000000b01"),
        ("PATCH", "/api/v2/systemgroups/64b0c0de0000000000000a01"),
        ("DELETE", "/api/systems/64b0c0de0000000000000b01"),
        ("HEAD", "/api/systems"),
        ("OPTIONS", "/api/systems"),
    ],
)
def test_what_is_no_read_is_refused_before_it_is_sent(method: str, path: str) -> None:
    with (
        read_only_session(NOBODY, "jca_key", connections=1) as session,
        pytest.raises(ReadOnlyError, match=f"refused to send {method}"),
    ):
        session.request(method, NOBODY + path, timeout=1)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:10/api/systems",
        "http://127.0.0.2:9/api/systems",
        "https://127.0.0.1:9/api/systems",
        "http://127.0.0.1:9@example.com/api/systems",
    ],
)
def test_another_host_is_refused(url: str) -> None:
    with (
        read_only_session(NOBODY, "jca_key", connections=1) as session,
        pytest.raises(ReadOnlyError),
    ):
        session.get(url, timeout=1)


@pytest.fixture
def organization() -> Organization:
    return generate(sizes=Sizes.empty())


def test_the_key_travels_in_its_header_and_shows_nowhere_else(organization: Organization) -> None:
    with (
        Server(organization) as server,
        read_only_session(server.base_url, organization.api_key, connections=1) as session,
    ):
        response = session.get(f"{server.base_url}/api/systems", timeout=5)
        assert response.status_code == requests.codes.ok
        shown = f"{session.__dict__!r} {session.auth!r} {response.url} {response.__dict__!r}"
        assert organization.api_key not in shown


def test_a_proxy_of_the_environment_never_sees_a_plain_text_key(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    monkeypatch.setenv("http_proxy", NOBODY)
    with (
        Server(organization) as server,
        read_only_session(server.base_url, organization.api_key, connections=1) as session,
    ):
        assert session.get(f"{server.base_url}/api/systems", timeout=5).ok
