"""What JumpCloud's answers and failures mean: a parsed document, or an error in words."""

import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeAlias

import requests
import urllib3
from requests import exceptions

from pipelines.jumpcloud.errors import (
    ExtractError,
    ForbiddenError,
    MalformedError,
    NotFoundError,
    RefusedError,
    TemporaryError,
    ThrottledError,
    UnauthorizedError,
)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_BODY_SECONDS = 120.0
_CHUNK_BYTES = 256 * 1024
_MAX_QUOTE = 200
MAX_PAUSE_SECONDS = 120.0

# First match wins: requests derives its narrower errors from the wider ones.
_TEMPORARY_FAILURES: tuple[tuple[type[exceptions.RequestException], str], ...] = (
    (exceptions.ProxyError, "the proxy refuses or cannot be reached; check `proxy`"),
    (exceptions.ConnectTimeout, "no connection in time; check the network, region and proxy"),
    (exceptions.Timeout, "no answer in time"),
    (exceptions.SSLError, "the TLS connection was cut"),
    (exceptions.ConnectionError, "cannot be reached; check the network, region and proxy"),
)

_NO_ADDRESS = "NameResolutionError"  # urllib3's, which requests wraps


@dataclass(frozen=True)
class Answer:
    """A usable answer: the parsed body, and the header `x-total-count` where there is one."""

    document: Json
    total: int | None


@dataclass(frozen=True)
class Body:
    """The whole body of an answer 200, not parsed yet, and its header `x-total-count`."""

    content: bytes
    total: int | None


def read_body(response: requests.Response, *, where: str, scope: str) -> Body:
    """Read an answer's body.

    Args:
        response: the answer, its body not yet read.
        where: the address asked, for messages.
        scope: least OAuth scope that reads it, for the message when the role is refused.

    Raises:
        ExtractError: the answer is not what was asked for; the class says of which kind.
    """
    content = _read(response, where)
    if response.status_code != HTTPStatus.OK:
        raise _error_of_status(response, content, where, scope)
    if "json" not in response.headers.get("Content-Type", ""):
        raise TemporaryError(f"{where}: answered something else than JSON")
    total = response.headers.get("x-total-count", "")
    return Body(content, int(total) if re.fullmatch("[0-9]{1,12}", total) else None)


def parse_body(body: Body, *, where: str) -> Answer:
    """Parse a body.

    Raises:
        ExtractError: it is no JSON document, or nested beyond reason.
    """
    try:
        document: Json = json.loads(body.content)
    except RecursionError:
        raise MalformedError(f"{where}: the answer is nested too deep; refused") from None
    except ValueError:
        raise TemporaryError(f"{where}: answered JSON that does not parse") from None
    return Answer(document, body.total)


def map_error(error: exceptions.RequestException, *, where: str) -> ExtractError:
    """A failed exchange in words, without what the library quotes of the request."""
    if isinstance(error, exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return RefusedError(
            f"{where}: the TLS certificate is not trusted; where a proxy inspects TLS, "
            "name its CA bundle in ca_bundle, or in REQUESTS_CA_BUNDLE"
        )
    if _NO_ADDRESS in str(error) and not isinstance(error, exceptions.ProxyError):
        return TemporaryError(f"{where}: the host's name is not found; check the network and DNS")
    for kind, words in _TEMPORARY_FAILURES:
        if isinstance(error, kind):
            return TemporaryError(f"{where}: {words}")
    return RefusedError(f"{where}: cannot be asked ({type(error).__name__})")


def _read(response: requests.Response, where: str) -> bytes:
    """The body, as it arrives: a server that drips must not hold a call for ever."""
    body = bytearray()
    deadline = time.monotonic() + MAX_BODY_SECONDS
    failure = TemporaryError(f"{where}: the answer was cut short")
    try:
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > MAX_BODY_BYTES:
                limit = f"{MAX_BODY_BYTES >> 20} MiB"
                raise MalformedError(f"{where}: the answer is larger than {limit}; refused")
            if time.monotonic() > deadline:
                failure = TemporaryError(f"{where}: no whole answer in {MAX_BODY_SECONDS:g} s")
                break
        else:
            return bytes(body)
    except urllib3.exceptions.HTTPError:
        pass
    raise failure


def _error_of_status(
    response: requests.Response, body: bytes, where: str, scope: str
) -> ExtractError:
    status = response.status_code
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return UnauthorizedError(f"{where}: {_unauthorized(response, body)}")
        case HTTPStatus.FORBIDDEN:
            return ForbiddenError(
                f"{where}: the key's role may not read this endpoint (403); give its admin the "
                f'role "Read Only", or the service account the scope {scope}'
            )
        case HTTPStatus.NOT_FOUND:
            return NotFoundError(f"{where}: not found (404){_organization_hint(response)}")
        case HTTPStatus.TOO_MANY_REQUESTS:
            wait = parse_retry_after(response.headers.get("Retry-After"), now=datetime.now(UTC))
            return ThrottledError(f"{where}: too many requests (429)", wait)
        case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return TemporaryError(f"{where}: JumpCloud fails with status {status}")
    remedy = "; check region and base_url" if response.is_redirect else _quoted(response, body)
    return RefusedError(f"{where}: refused with status {status}{remedy}")


def _unauthorized(response: requests.Response, body: bytes) -> str:
    if "no organization selected" in _quoted(response, body):
        return (
            "the key reads several organizations and none is selected (401); set org_id to the "
            "one that is meant"
        )
    if "Authorization" in response.request.headers:
        return (
            "JumpCloud refused the token of the service account (401); check the region, and "
            "that the account is enabled"
        )
    return (
        "JumpCloud refused the API key (401): it is unknown, expired, or belongs to another "
        "region; check the key and the region"
    )


def _organization_hint(response: requests.Response) -> str:
    org_id = response.request.headers.get("x-org-id")
    return f"; is org_id {org_id} an organization of this key?" if org_id else ""


def _quoted(response: requests.Response, body: bytes) -> str:
    """The error's `message`, where the body is the JSON object that JumpCloud's errors are.

    Should it repeat the key or token, that is cut out.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    message = document.get("message") if isinstance(document, dict) else None
    if not isinstance(message, str):
        return ""
    for header in ("x-api-key", "Authorization"):
        secret = response.request.headers.get(header, "").removeprefix("Bearer ")
        message = message.replace(secret, "...") if secret else message
    return f": {message[:_MAX_QUOTE]!r}"


def parse_retry_after(value: str | None, *, now: datetime) -> float | None:
    """Seconds that a header `Retry-After` asks to wait, at most `MAX_PAUSE_SECONDS`.

    Args:
        value: the header: seconds, or an HTTP date; anything else is as if it were absent.
        now: against which a date is taken.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text):
        return min(float(text), MAX_PAUSE_SECONDS)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    return min(max(seconds, 0.0), MAX_PAUSE_SECONDS)
