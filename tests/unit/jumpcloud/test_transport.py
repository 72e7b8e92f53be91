"""Nothing but reads of the configured host can leave, and the key shows nowhere."""

import ssl
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from pipelines.config.credentials import ApiKey
from pipelines.config.integration import Integration
from pipelines.errors import SettingsError
from pipelines.jumpcloud.auth import ApiKeyAuth, open_session
from pipelines.jumpcloud.exchanges import Exchanges
from pipelines.jumpcloud.transport import (
    Network,
    ReadOnlyError,
    Reports,
    read_only_session,
    token_session,
)
from pipelines.simulator import Organization, Server, Sizes, generate
from tests.support import DATA

# Key and certificate of 127.0.0.1, for nothing but these tests; it ends in the year 9999.
CERTIFICATE = DATA / "loopback_tls.pem"
NOBODY = "http://127.0.0.1:9"
TOKEN_URL = "https://id.example/oauth2/token"


def key_session(url: str, key: str) -> requests.Session:
    return read_only_session(url, ApiKeyAuth(key), connections=1)


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
def test_write_is_refused_before_sending(method: str, path: str) -> None:
    with (
        read_only_session(NOBODY, ApiKeyAuth("jca_key"), connections=1) as session,
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
def test_other_origin_is_refused(url: str) -> None:
    with (
        read_only_session(NOBODY, ApiKeyAuth("jca_key"), connections=1) as session,
        pytest.raises(ReadOnlyError),
    ):
        session.get(url, timeout=1)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", "https://id.example/oauth2/token"),
        ("POST", "https://id.example/oauth2/token/"),
        ("POST", "https://id.example/oauth2/token?x=1"),
        ("POST", "https://id.example/oauth2/revoke"),
        ("POST", "http://id.example/oauth2/token"),
        ("POST", "https://id.example:444/oauth2/token"),
        ("POST", "https://elsewhere.example/oauth2/token"),
    ],
)
def test_token_session_reaches_only_the_token_url(method: str, url: str) -> None:
    with (
        token_session(TOKEN_URL, ApiKeyAuth("s"), Network(), Exchanges()) as session,
        pytest.raises(ReadOnlyError, match=f"refused to send {method}"),
    ):
        session.request(method, url, timeout=1)


@pytest.mark.parametrize(
    ("method", "path", "may_request"),
    [
        ("POST", "/users-to-devices", False),
        ("POST", "/users-to-directories", True),
        ("POST", "/users-to-devices?type=all", True),
        ("DELETE", "/users-to-devices", True),
        ("GET", "/../events", True),
    ],
)
def test_only_the_allowed_report_is_requested(method: str, path: str, *, may_request: bool) -> None:
    url, reports = "https://api.example", "/insights/directory/v1/reports"
    session = read_only_session(
        NOBODY, ApiKeyAuth("jca_key"), connections=1, reports=Reports(url, may_request=may_request)
    )
    with session, pytest.raises(ReadOnlyError, match=f"refused to send {method}"):
        session.request(method, url + reports + path)
    assert Reports(url, may_request=True).allows("POST", f"{url}{reports}/users-to-devices")
    assert not Reports(url, may_request=True).allows("POST", f"{NOBODY}{reports}/users-to-devices")


def test_read_session_cannot_request_a_token() -> None:
    with key_session(NOBODY, "jca_key") as session, pytest.raises(ReadOnlyError):
        session.post(f"{NOBODY}/oauth2/token", timeout=1)


@pytest.fixture
def organization() -> Organization:
    return generate(sizes=Sizes.empty())


def test_key_is_sent_in_its_header_only(organization: Organization) -> None:
    with (
        Server(organization) as server,
        key_session(server.base_url, organization.api_key) as session,
    ):
        response = session.get(f"{server.base_url}/api/systems", timeout=5)
        assert response.status_code == requests.codes.ok
        shown = f"{session.__dict__!r} {session.auth!r} {response.url} {response.__dict__!r}"
        assert organization.api_key not in shown


def test_environment_proxy_never_sees_plain_text_key(
    organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", NOBODY)
    monkeypatch.setenv("http_proxy", NOBODY)
    with (
        Server(organization) as server,
        key_session(server.base_url, organization.api_key) as session,
    ):
        assert session.get(f"{server.base_url}/api/systems", timeout=5).ok


class Greeter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(HTTPStatus.NO_CONTENT)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def tls_url() -> Iterator[str]:
    """Yield the address of a loopback server with a certificate that only its own bundle trusts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Greeter) as server:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_ca_bundle_overrides_the_environment(tls_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", DEFAULT_CA_BUNDLE_PATH)
    with key_session(tls_url, "jca_key") as session, pytest.raises(requests.exceptions.SSLError):
        session.get(tls_url, timeout=5)
    network = Network(ca_bundle=str(CERTIFICATE))
    network.check()
    auth = ApiKeyAuth("jca_key")
    with read_only_session(tls_url, auth, connections=1, network=network) as session:
        assert session.get(tls_url, timeout=5).status_code == HTTPStatus.NO_CONTENT


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read .No such file"), ("no certificate", "holds no PEM certificate")],
)
def test_invalid_ca_bundle_is_reported_before_first_call(
    content: str | None, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "bundle.pem"
    if content:
        path.write_text(content)
    acme = Integration(name="acme", scope="on_premise", ca_bundle=str(path))
    with pytest.raises(SettingsError, match=f"integration 'acme': ca_bundle {path} {words}"):
        open_session(acme, ApiKey("jca_key"))
