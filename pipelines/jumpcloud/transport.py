"""HTTP sessions that can only read from one host, or only request a token."""

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection

from pipelines.errors import InventoryError, SettingsError
from pipelines.jumpcloud.exchanges import Exchanges, watched

TIMEOUT_SECONDS = (5.0, 30.0)  # to connect, and between two reads


# JumpCloud's reports, on a host of their own. A POST to the second path makes a report.
REPORTS_PATH = "/insights/directory/v1/reports"
REPORT_REQUEST_PATH = f"{REPORTS_PATH}/users-to-devices"
REPORT_ID = "[A-Za-z0-9_-]{1,64}"
_REPORT_PATH = re.compile(f"{REPORTS_PATH}(/{REPORT_ID}/artifacts/{REPORT_ID}/content)?")
# JumpCloud's search calls are reads although they are POST (its v1 specification).
_SEARCH_PATH = re.compile(r"/api/search/[a-z]+")
USER_AGENT = "jumpcloud-inventory (read-only)"


class ReadOnlyError(InventoryError):
    """An attempt to send a request that is not a read of the configured host."""


@dataclass(frozen=True)
class Network:
    """Proxy and certificates of the connection to JumpCloud.

    Attributes:
        proxy: URL of the proxy, or None.
        ca_bundle: file of trusted certificates that replaces the default ones.
    """

    proxy: str | None = None
    ca_bundle: str | None = None

    def check(self) -> None:
        """Check the CA bundle before the first call, where the message would be less clear.

        Raises:
            SettingsError: the bundle cannot be read, or has no certificate.
        """
        if not self.ca_bundle:
            return
        try:
            ssl.create_default_context(cafile=self.ca_bundle)
        except ssl.SSLError:
            raise SettingsError(f"ca_bundle {self.ca_bundle} holds no PEM certificate") from None
        except OSError as error:
            reason = error.strerror
            raise SettingsError(f"ca_bundle {self.ca_bundle} cannot be read ({reason})") from None


@dataclass(frozen=True)
class Reports:
    """Access to JumpCloud's reports.

    Attributes:
        url: scheme and host.
        may_request: True if a session may also request the report of users and devices.
    """

    url: str
    may_request: bool = False

    def allows(self, method: str, url: str) -> bool:
        """Return True for a request that reads a report, or requests the one that is allowed."""
        if method == "GET":
            is_report = _REPORT_PATH.fullmatch(urlsplit(url).path)
            return _origin(url) == _origin(self.url) and bool(is_report)
        return self.may_request and method == "POST" and url == self.url + REPORT_REQUEST_PATH


class ReadOnlyAdapter(HTTPAdapter):
    """Sends only requests that `is_read` accepts by method and URL."""

    def __init__(
        self,
        is_read: Callable[[str, str], bool],
        network: Network,
        connections: int,
        exchanges: Exchanges,
    ) -> None:
        super().__init__(pool_maxsize=connections, pool_block=True)
        self._is_read = is_read
        self._network = network
        self._exchanges = exchanges

    def send(
        self, request: requests.PreparedRequest, *args: object, **kwargs: object
    ) -> requests.Response:
        """Send the request if it is a read.

        Raises:
            ReadOnlyError: the request is not a read.
        """
        url = request.url or ""
        if not self._is_read(request.method or "", url):
            raise ReadOnlyError(f"refused to send {request.method} to {_origin(url)}: not a read")
        # Set here, because in requests the environment overrides the session.
        if self._network.proxy:
            kwargs["proxies"] = {"https": self._network.proxy}
        if self._network.ca_bundle:
            kwargs["verify"] = self._network.ca_bundle
        return super().send(request, *args, **kwargs)  # type: ignore[arg-type]  # forwarded unchanged

    def get_connection_with_tls_context(
        self, *args: object, **kwargs: object
    ) -> HTTPConnectionPool:
        """Return the pool of connections to a host, which exchanges can end."""
        found = super().get_connection_with_tls_context(*args, **kwargs)  # type: ignore[arg-type]  # forwarded unchanged
        pool = cast("HTTPConnectionPool", found)
        if "ConnectionCls" not in vars(pool):
            kind = cast("type[HTTPConnection]", pool.ConnectionCls)
            pool.ConnectionCls = watched(kind, self._exchanges)
        return pool


class ReadOnlySession(requests.Session):
    """A session with one adapter.

    Attributes:
        exchanges: the exchanges in progress.
    """

    def __init__(
        self, url: str, auth: AuthBase, adapter: ReadOnlyAdapter, exchanges: Exchanges
    ) -> None:
        super().__init__()
        self.exchanges = exchanges
        self.mount("https://", adapter)
        self.mount("http://", adapter)
        # A proxy from the environment must never see a key in plain text.
        self.trust_env = url.startswith("https://")
        self.auth = auth
        self.headers.update({"Accept": "application/json", "User-Agent": USER_AGENT})


def read_only_session(
    url: str,
    auth: AuthBase,
    *,
    connections: int,
    network: Network | None = None,
    exchanges: Exchanges | None = None,
    reports: Reports | None = None,
) -> ReadOnlySession:
    """Return a session that can send only GET, and POST to `/api/search/`, to one origin.

    With access to reports, it can also read these, and request one if that is allowed.

    Args:
        url: scheme and host, as in `Integration.url`.
        auth: auth that adds the key or token.
        connections: size of the connection pool.
        network: proxy and certificates. None means a direct connection.
        exchanges: the exchanges of other sessions of the same key, if any.
        reports: access to reports, if any.
    """
    exchanges = exchanges or Exchanges()
    origin = _origin(url)

    def is_read(method: str, url: str) -> bool:
        is_search = method == "POST" and _SEARCH_PATH.fullmatch(urlsplit(url).path)
        is_list = _origin(url) == origin and (method == "GET" or bool(is_search))
        return is_list or (reports is not None and reports.allows(method, url))

    adapter = ReadOnlyAdapter(is_read, network or Network(), connections, exchanges)
    return ReadOnlySession(url, auth, adapter, exchanges)


def token_session(
    url: str, auth: AuthBase, network: Network, exchanges: Exchanges
) -> ReadOnlySession:
    """Return a session that can send only POST to one URL.

    Args:
        url: URL of the token endpoint.
        auth: auth that adds the client id and secret.
        network: proxy and certificates.
        exchanges: the exchanges of the session that needs the token.
    """

    def is_token_request(method: str, requested: str) -> bool:
        return method == "POST" and requested == url

    adapter = ReadOnlyAdapter(is_token_request, network, 1, exchanges)
    return ReadOnlySession(url, auth, adapter, exchanges)


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
