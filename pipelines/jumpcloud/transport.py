"""HTTP sessions that can only read from one host, or only request a token."""

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from pipelines.errors import InventoryError, SettingsError

TIMEOUT_SECONDS = (5.0, 30.0)  # to connect, and between two reads


# JumpCloud's search calls are reads although they are POST (its v1 specification).
_SEARCH_PATH = re.compile(r"/api/search/[a-z]+")
USER_AGENT = "jumpcloud-inventory (read-only)"


class ReadOnlyError(InventoryError):
    """An attempt to send a request that is not a read of the configured host."""


class ApiKeyAuth(AuthBase):
    """Adds the header `x-api-key`. The key appears nowhere else.

    With an explicit auth, requests does not look for a password in a .netrc file.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["x-api-key"] = self._key
        return request

    def __repr__(self) -> str:
        """Return a representation without the key."""
        return "ApiKeyAuth(key hidden)"


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


class ReadOnlyAdapter(HTTPAdapter):
    """Sends only requests that `is_read` accepts by method and URL."""

    def __init__(
        self, is_read: Callable[[str, str], bool], network: Network, connections: int
    ) -> None:
        super().__init__(pool_maxsize=connections, pool_block=True)
        self._is_read = is_read
        self._network = network

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


def read_only_session(
    url: str, auth: AuthBase, *, connections: int, network: Network | None = None
) -> requests.Session:
    """Return a session that can send only GET, and POST to `/api/search/`, to one origin.

    Args:
        url: scheme and host, as in `Integration.url`.
        auth: auth that adds the key or token.
        connections: size of the connection pool.
        network: proxy and certificates. None means a direct connection.
    """
    origin = _origin(url)

    def is_read(method: str, url: str) -> bool:
        is_search = method == "POST" and _SEARCH_PATH.fullmatch(urlsplit(url).path)
        return _origin(url) == origin and (method == "GET" or bool(is_search))

    return _session(url, auth, ReadOnlyAdapter(is_read, network or Network(), connections))


def token_session(url: str, auth: AuthBase, network: Network) -> requests.Session:
    """Return a session that can send only POST to one URL.

    Args:
        url: URL of the token endpoint.
        auth: auth that adds the client id and secret.
        network: proxy and certificates.
    """

    def is_token_request(method: str, requested: str) -> bool:
        return method == "POST" and requested == url

    return _session(url, auth, ReadOnlyAdapter(is_token_request, network, connections=1))


def _session(url: str, auth: AuthBase, adapter: ReadOnlyAdapter) -> requests.Session:
    session = requests.Session()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    # A proxy from the environment must never see a key in plain text.
    session.trust_env = url.startswith("https://")
    session.auth = auth
    session.headers.update({"Accept": "application/json", "User-Agent": USER_AGENT})
    return session


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
