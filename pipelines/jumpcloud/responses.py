"""Map HTTP responses and failures to parsed documents and our own errors."""

import json
import re
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime
from email.utils import parsedate_to_datetime, parsedate_tz
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
# A page of 1,000 whole systems has 200,000. Parsed, an empty object takes 30 times its bytes.
MAX_VALUES = 1_000_000
_CHUNK_BYTES = 256 * 1024
_MAX_QUOTE = 200
_MAX_ERROR_BYTES = 64 * 1024
MAX_PAUSE_SECONDS = 120.0

# First match wins: requests derives its narrower errors from the wider ones.
_TEMPORARY_FAILURES: tuple[tuple[type[exceptions.RequestException], str], ...] = (
    (exceptions.ProxyError, "the proxy refuses or cannot be reached; check `proxy`"),
    (exceptions.ConnectTimeout, "no connection in time; check the network, region and proxy"),
    (exceptions.Timeout, "no response in time"),
    (exceptions.SSLError, "the TLS connection was closed"),
    (exceptions.ConnectionError, "cannot be reached; check the network, region and proxy"),
)

_NO_ADDRESS = "NameResolutionError"  # urllib3's, which requests wraps


@dataclass(frozen=True)
class Response:
    """The parsed body of a response, and its header `x-total-count`, if any."""

    document: Json
    total: int | None


@dataclass(frozen=True)
class Body:
    """The unparsed body of a response, and its header `x-total-count`, if any."""

    content: bytes
    total: int | None


def read_body(
    response: requests.Response,
    *,
    where: str,
    scope: str,
    success: HTTPStatus = HTTPStatus.OK,
    max_bytes: int = MAX_BODY_BYTES,
    is_json: bool = True,
) -> Body:
    """Read the body of a response.

    Args:
        response: streamed response.
        where: requested URL, for messages.
        scope: minimal OAuth scope that may read it, for the message of a 403.
        success: status of a usable response.
        max_bytes: maximum size of the body.
        is_json: False to accept other content than JSON.

    Raises:
        ExtractError: the response is not usable. Its class is the kind of failure.
    """
    content = _read_content(response, where, max_bytes)
    if response.status_code != success:
        raise _status_error(response, content, where, scope)
    if is_json and "json" not in response.headers.get("Content-Type", ""):
        raise TemporaryError(f"{where}: the response is not JSON")
    total = response.headers.get("x-total-count", "")
    return Body(content, int(total) if re.fullmatch("[0-9]{1,12}", total) else None)


def parse_body(body: Body, *, where: str) -> Response:
    """Parse a body.

    Raises:
        ExtractError: the body is not a JSON document, has too many values, or is nested too deeply.
    """
    content = body.content
    if len(content) > MAX_VALUES and sum(map(content.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise MalformedError(f"{where}: the response has more than {MAX_VALUES:,} values")
    try:
        document: Json = json.loads(content)
    except RecursionError:
        raise MalformedError(f"{where}: the response is nested too deeply") from None
    except ValueError:
        raise TemporaryError(f"{where}: the response is not valid JSON") from None
    return Response(document, body.total)


def map_error(error: exceptions.RequestException, *, where: str) -> ExtractError:
    """Return our own error for a failed exchange: the library's message may quote the request."""
    if isinstance(error, exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return RefusedError(
            f"{where}: the TLS certificate is not trusted; where a proxy inspects TLS, "
            "name its CA bundle in ca_bundle, or in REQUESTS_CA_BUNDLE"
        )
    if _NO_ADDRESS in str(error) and not isinstance(error, exceptions.ProxyError):
        return TemporaryError(f"{where}: the host name is not found; check the network and DNS")
    for kind, reason in _TEMPORARY_FAILURES:
        if isinstance(error, kind):
            return TemporaryError(f"{where}: {reason}")
    return RefusedError(f"{where}: the request cannot be sent ({type(error).__name__})")


def _read_content(response: requests.Response, where: str, max_bytes: int) -> bytes:
    """Read the body in chunks. Each is decompressed to its size at most."""
    body = bytearray()
    try:
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > max_bytes:
                limit = f"{max_bytes >> 20} MiB"
                raise MalformedError(f"{where}: the response is larger than {limit}")
    except urllib3.exceptions.HTTPError:
        pass
    else:
        return bytes(body)
    raise TemporaryError(f"{where}: the response was truncated")


def _status_error(response: requests.Response, body: bytes, where: str, scope: str) -> ExtractError:
    status = response.status_code
    match status:
        case HTTPStatus.UNAUTHORIZED:
            return UnauthorizedError(f"{where}: {_unauthorized_message(response, body)}")
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
            return TemporaryError(f"{where}: JumpCloud failed with status {status}")
    remedy = (
        "; check region and base_url" if response.is_redirect else _quote_message(response, body)
    )
    return RefusedError(f"{where}: refused with status {status}{remedy}")


def _unauthorized_message(response: requests.Response, body: bytes) -> str:
    if "no organization selected" in _quote_message(response, body):
        return "the key reads several organizations and none is selected (401); set org_id"
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


def _quote_message(response: requests.Response, body: bytes) -> str:
    """Return the quoted `message` of a JumpCloud error document, without the key or token."""
    try:
        document = json.loads(body[:_MAX_ERROR_BYTES])
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
    """Return the seconds of a header `Retry-After`, at most `MAX_PAUSE_SECONDS`, or None.

    Args:
        value: header value: seconds or an HTTP date. Any other value is ignored.
        now: current time, to subtract from a date.
    """
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return min(float(text), MAX_PAUSE_SECONDS)
    parts = parsedate_tz(text)
    if parts and parts[0] > MAXYEAR:
        return MAX_PAUSE_SECONDS
    try:
        date = parsedate_to_datetime(text)
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), MAX_PAUSE_SECONDS)
