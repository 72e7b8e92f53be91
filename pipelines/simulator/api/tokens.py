"""The token endpoint: OAuth 2 client credentials, and bearer tokens that expire."""

import base64
import binascii
import secrets
from collections.abc import Sequence
from http import HTTPStatus
from math import inf
from typing import Final
from urllib.parse import parse_qs

from pipelines.simulator.api.answers import Answer, Request, refusal
from pipelines.simulator.api.behavior import Behavior
from pipelines.simulator.api.pages import encode
from pipelines.simulator.data.organization import KeyHolder

TOKEN_PATH: Final = "/oauth2/token"  # noqa: S105 - a path
FORM: Final = "application/x-www-form-urlencoded"
SCOPE: Final = "api"


class Tokens:
    """The issued tokens and their holders.

    Args:
        holders: Owners of the known service accounts.
        behavior: Lifetime of tokens.
    """

    def __init__(self, holders: Sequence[KeyHolder], behavior: Behavior) -> None:
        self._holders = holders
        self._behavior = behavior
        self._tokens: dict[str, tuple[KeyHolder, float]] = {}

    @property
    def issued(self) -> set[str]:
        """Return every issued token: secrets of one line, which tests search for in files."""
        return set(self._tokens)

    def end(self) -> None:
        """End every issued token before its lifetime is over."""
        self._tokens = {value: (holder, -inf) for value, (holder, _) in self._tokens.items()}

    def holder(self, authorization: str) -> KeyHolder | None:
        """Return the holder of the token in a header `Authorization`; None if it is not valid."""
        scheme, _, value = authorization.partition(" ")
        holder, ends_at = self._tokens.get(value, (None, -inf))
        valid = scheme.lower() == "bearer" and self._behavior.clock() < ends_at
        return holder if valid else None

    def answer(self, request: Request) -> Answer:
        """Return the answer to a token request."""
        if request.method != "POST":
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED)
        if request.headers.get("content-type", "").partition(";")[0] != FORM:
            return _error(HTTPStatus.BAD_REQUEST, "invalid_request")
        form = {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return _error(HTTPStatus.BAD_REQUEST, "unsupported_grant_type")
        holder = self._client(request.headers.get("authorization", ""), form)
        if holder is None:
            return _error(HTTPStatus.UNAUTHORIZED, "invalid_client")
        if form.get("scope") != SCOPE:
            return _error(HTTPStatus.BAD_REQUEST, "invalid_scope")
        return self._issue(holder)

    def _client(self, authorization: str, form: dict[str, str]) -> KeyHolder | None:
        given = _basic(authorization) or (form.get("client_id"), form.get("client_secret"))
        return next((h for h in self._holders if (h.client_id, h.client_secret) == given), None)

    def _issue(self, holder: KeyHolder) -> Answer:
        value = secrets.token_urlsafe(48)
        seconds = self._behavior.token_seconds
        self._tokens[value] = (holder, self._behavior.clock() + seconds)
        document = {
            "access_token": value,
            "expires_in": seconds,
            "scope": SCOPE,
            "token_type": "bearer",
        }
        return Answer(HTTPStatus.OK, encode(document), {"cache-control": "no-store"})


def _basic(authorization: str) -> tuple[str, str] | None:
    """Return user and password of HTTP Basic; None for another scheme."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _error(status: HTTPStatus, code: str) -> Answer:
    """Return an error in OAuth 2's form."""
    return Answer(status, encode({"error": code, "error_description": status.phrase}))
