"""The ways out: HTTP sessions that can read from one host, or get a token, and do nothing else."""

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
    """A request that is not a read of the configured host was about to be sent."""


class ApiKeyAuth(AuthBase):
    """Puts the key into the header `x-api-key`, and shows it nowhere else.

    An auth of its own also keeps requests from adding a password that it finds in a .netrc file.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["x-api-key"] = self._key
        return request

    def __repr__(self) -> str:
        """A text without the key."""
        return "ApiKeyAuth(key hidden)"


@dataclass(frozen=True)
class Network:
    """How JumpCloud is reached.

    Attributes:
        proxy: the proxy's address, if there is one.
        ca_bundle: the file of certificates to trust, instead of those that come along.
    """

    proxy: str | None = None
    ca_bundle: str | None = None

    def check(self) -> None:
        """Find out now what the library would only say of the first call, and less clearly.

        Raises:
            SettingsError: the bundle cannot be read, or holds no certificate.
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
    """Lets only the requests through that `is_read` knows by method and URL."""

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
            ReadOnlyError: it is not.
        """
        url = request.url or ""
        if not self._is_read(request.method or "", url):
            raise ReadOnlyError(f"refused to send {request.method} to {_origin(url)}: not a read")
        # Here, because requests lets those of the environment win over the session's.
        if self._network.proxy:
            kwargs["proxies"] = {"https": self._network.proxy}
        if self._network.ca_bundle:
            kwargs["verify"] = self._network.ca_bundle
        return super().send(request, *args, **kwargs)  # type: ignore[arg-type]  # passed on as they came


def read_only_session(
    url: str, auth: AuthBase, *, connections: int, network: Network | None = None
) -> requests.Session:
    """A session that can send GET, and POST to `/api/search/`, to one scheme, host and port.

    Args:
        url: scheme and host, as `Integration.url` gives it.
        auth: adds the key or token.
        connections: size of the connection pool.
        network: how the host is reached; directly if None.
    """
    origin = _origin(url)

    def is_read(method: str, url: str) -> bool:
        is_search = method == "POST" and _SEARCH_PATH.fullmatch(urlsplit(url).path)
        return _origin(url) == origin and (method == "GET" or bool(is_search))

    return _session(url, auth, ReadOnlyAdapter(is_read, network or Network(), connections))


def token_session(url: str, auth: AuthBase, network: Network) -> requests.Session:
    """A session that can send POST to this one URL.

    Args:
        url: of the token endpoint.
        auth: adds the client id and secret.
        network: how the host is reached.
    """

    def is_token_request(method: str, asked: str) -> bool:
        return method == "POST" and asked == url

    return _session(url, auth, ReadOnlyAdapter(is_token_request, network, connections=1))


def _session(url: str, auth: AuthBase, adapter: ReadOnlyAdapter) -> requests.Session:
    session = requests.Session()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    # A proxy named by the environment must never see a key that is sent in plain text.
    session.trust_env = url.startswith("https://")
    session.auth = auth
    session.headers.update({"Accept": "application/json", "User-Agent": USER_AGENT})
    return session


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
