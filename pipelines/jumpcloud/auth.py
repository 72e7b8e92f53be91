"""Authentication by API key, or by bearer tokens of a service account.

The OAuth libraries do not fit: requests-oauthlib and authlib renew client credentials without a
lock or not at all, and neither sends through a session that can only request a token.
"""

import re
import threading
from collections.abc import Callable
from http import HTTPStatus
from time import monotonic
from typing import Any

import requests
from requests.auth import AuthBase, HTTPBasicAuth

from pipelines.config.credentials import Credentials, ServiceAccount
from pipelines.config.integration import Integration
from pipelines.errors import SettingsError
from pipelines.jumpcloud.errors import (
    MalformedError,
    NotFoundError,
    RefusedError,
    TemporaryError,
    TokenError,
)
from pipelines.jumpcloud.exchanges import Exchanges
from pipelines.jumpcloud.responses import Json, map_error, parse_body, read_body
from pipelines.jumpcloud.transport import (
    TIMEOUT_SECONDS,
    Network,
    ReadOnlySession,
    Reports,
    read_only_session,
    token_session,
)


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


def open_session(integration: Integration, credentials: Credentials) -> ReadOnlySession:
    """Return a session that can only read the integration's host.

    Raises:
        SettingsError: the CA bundle cannot be used.
    """
    network = Network(integration.proxy, integration.ca_bundle)
    try:
        network.check()
    except SettingsError as error:
        raise SettingsError(f"integration {integration.name!r}: {error}") from None
    auth: AuthBase
    exchanges = Exchanges()
    if isinstance(credentials, ServiceAccount):
        auth = ServiceAccountAuth(credentials, integration.token_url, network, exchanges)
    else:
        auth = ApiKeyAuth(credentials.key)
    return read_only_session(
        integration.url,
        auth,
        connections=integration.max_in_flight,
        network=network,
        exchanges=exchanges,
        reports=Reports(integration.report_url, integration.request_reports)
        if integration.uses_report
        else None,
    )


FORM = {"grant_type": "client_credentials", "scope": "api"}
# A call in flight may take a timeout to arrive. Its token must be valid until then.
MARGIN_SECONDS = 60.0
_MAX_LIFETIME_SECONDS = 1e9  # integers of any length can be sent, and most fit into no float
_REFUSED_STATUSES = {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
# Characters of a bearer token (RFC 6750). No other may get into a header.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class ServiceAccountAuth(AuthBase):
    """Adds the header `Authorization`. The token appears nowhere else. Thread-safe.

    Args:
        account: client id and secret.
        token_url: URL that exchanges them for a token.
        network: proxy and certificates.
        exchanges: the exchanges of the session that it signs.
        clock: monotonic clock in seconds.
    """

    def __init__(
        self,
        account: ServiceAccount,
        token_url: str,
        network: Network,
        exchanges: Exchanges,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._account = account
        self._url = token_url
        self._network = network
        self._exchanges = exchanges
        self._clock = clock
        self._renewing = threading.Lock()
        self._token: str | None = None
        self._expires_at = 0.0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header.

        Raises:
            ExtractError: the token request failed.
        """
        request.headers["Authorization"] = f"Bearer {self._valid_token(refused=None)}"
        request.register_hook("response", self._retry_if_expired)  # type: ignore[no-untyped-call]
        return request

    def __repr__(self) -> str:
        """Return a representation without the secret and the token."""
        return f"ServiceAccountAuth({self._account.source}; token hidden)"

    def _retry_if_expired(self, response: requests.Response, **kwargs: Any) -> requests.Response:  # noqa: ANN401 -- forwarded to requests
        """Send the request again with a new token if it was refused: a token may expire early."""
        if response.status_code != HTTPStatus.UNAUTHORIZED:
            return response
        response.close()
        request = response.request.copy()
        refused = request.headers["Authorization"].removeprefix("Bearer ")
        request.headers["Authorization"] = f"Bearer {self._valid_token(refused)}"
        retried: requests.Response = response.connection.send(request, **kwargs)
        retried.elapsed = response.elapsed
        return retried

    def _valid_token(self, refused: str | None) -> str:
        """Return the token. Request a new one if it expires soon or was refused."""
        with self._renewing:
            if self._token in {None, refused} or self._clock() >= self._expires_at:
                requested_at = self._clock()
                self._token, seconds = self._request_token()
                self._expires_at = requested_at + max(seconds - MARGIN_SECONDS, seconds / 2)
            return self._token

    def _request_token(self) -> tuple[str, float]:
        """Return a new token, and the seconds until it expires."""
        document = self._exchange()
        token = document.get("access_token") if isinstance(document, dict) else None
        seconds = document.get("expires_in") if isinstance(document, dict) else None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise MalformedError(f"{self._url}: the response has no bearer token")
        # Without a valid lifetime, a token is used until it is refused.
        if not isinstance(seconds, int | float) or not 0 < seconds <= _MAX_LIFETIME_SECONDS:
            seconds = float("inf")
        return token, float(seconds)

    def _exchange(self) -> Json:
        account = self._account
        auth = HTTPBasicAuth(account.client_id, account.client_secret)
        with self._exchanges.begin() as exchange:
            try:
                with (
                    token_session(self._url, auth, self._network, self._exchanges) as session,
                    session.post(
                        self._url,
                        data=FORM,
                        timeout=TIMEOUT_SECONDS,
                        allow_redirects=False,
                        stream=True,
                    ) as response,
                ):
                    if response.status_code in _REFUSED_STATUSES:
                        raise TokenError(self._refusal_message(response.status_code))
                    body = read_body(response, where=self._url, scope=FORM["scope"])
                return parse_body(body, where=self._url).document
            except requests.RequestException as error:
                failure = map_error(error, where=self._url)
            except (NotFoundError, RefusedError, TemporaryError) as error:
                failure = error
        failure = self._exchanges.explain(exchange, failure, self._url)
        # Raised outside of the handler, so that the context does not hold the library's error with
        # the secret. Raised as TokenError, so that no list is mistaken for refused or gone.
        raise failure if isinstance(failure, TemporaryError) else TokenError(str(failure))

    def _refusal_message(self, status: int) -> str:
        return (
            f"{self._url}: JumpCloud refused the service account ({status}): the client id is "
            "unknown, the secret wrong or expired, or both belong to another region; check "
            f"{self._account.source}, and the region"
        )
