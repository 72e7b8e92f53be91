"""The one way out: an HTTP session that can read from one host and do nothing else."""

import re
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from pipelines.errors import InventoryError

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


class ReadOnlyAdapter(HTTPAdapter):
    """Lets GET, and POST to `/api/search/`, through to one scheme, host and port."""

    def __init__(self, url: str, connections: int, proxy: str | None) -> None:
        super().__init__(pool_maxsize=connections, pool_block=True)
        self._origin = _origin(url)
        self._proxy = proxy

    def send(
        self, request: requests.PreparedRequest, *args: object, **kwargs: object
    ) -> requests.Response:
        """Send the request if it is a read of the configured host.

        Raises:
            ReadOnlyError: it is not.
        """
        url = request.url or ""
        is_read = request.method == "GET" or (
            request.method == "POST" and _SEARCH_PATH.fullmatch(urlsplit(url).path)
        )
        if not is_read or _origin(url) != self._origin:
            raise ReadOnlyError(f"refused to send {request.method} to {_origin(url)}: not a read")
        if self._proxy:
            # Here, because requests lets a proxy of the environment win over the session's.
            kwargs["proxies"] = {"https": self._proxy}
        return super().send(request, *args, **kwargs)  # type: ignore[arg-type]  # passed on as they came


def read_only_session(
    url: str, key: str, *, connections: int, proxy: str | None = None
) -> requests.Session:
    """A session that can only read from `url`, authenticated by `key`.

    Args:
        url: scheme and host, as `Integration.url` gives it.
        key: the API key.
        connections: size of the connection pool.
        proxy: address of the proxy, if JumpCloud is reached through one.
    """
    session = requests.Session()
    adapter = ReadOnlyAdapter(url, connections, proxy)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    # A proxy named by the environment must never see a key that is sent in plain text.
    session.trust_env = url.startswith("https://")
    session.auth = ApiKeyAuth(key)
    session.headers.update({"Accept": "application/json", "User-Agent": USER_AGENT})
    return session


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme, parts.hostname, parts.port or default
