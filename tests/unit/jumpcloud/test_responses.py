"""Map responses and failures to documents and errors."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from io import BytesIO

import pytest
import requests
from urllib3 import HTTPResponse

from pipelines.jumpcloud.errors import MalformedError, RefusedError, TemporaryError
from pipelines.jumpcloud.responses import (
    MAX_PAUSE_SECONDS,
    MAX_VALUES,
    Body,
    map_error,
    parse_body,
    parse_retry_after,
    read_body,
)

BODY = b'{"message": "bad header x-api-key: jca_k"}'


def test_quoted_message_hides_the_key() -> None:
    response = requests.Response()
    response.status_code = 400
    response.request = requests.Request("GET", "http://h", headers={"x-api-key": "jca_k"}).prepare()
    response.raw = HTTPResponse(BytesIO(BODY), preload_content=False)
    with pytest.raises(RefusedError, match=r"bad header x-api-key: \.\.\.'"):
        read_body(response, where="h", scope="s")


def test_body_is_parsed_with_its_total() -> None:
    response = parse_body(Body(b'{"a": [1]}', 7), where="h")
    assert (response.document, response.total) == ({"a": [1]}, 7)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"{", TemporaryError),
        (b"[" * 100_000, MalformedError),
        (b"[" + b"{}," * (MAX_VALUES // 2) + b"{}]", MalformedError),
    ],
    ids=["cut short", "nested", "flood"],
)
def test_unusable_body_raises(content: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        parse_body(Body(content, None), where="h")


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (requests.ConnectTimeout("k"), TemporaryError),
        (requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED k"), RefusedError),
        (requests.exceptions.InvalidURL("k"), RefusedError),
    ],
)
def test_failure_is_mapped_without_its_message(
    failure: requests.RequestException, error: type[Exception]
) -> None:
    mapped = map_error(failure, where="http://host/path")
    assert type(mapped) is error
    assert str(mapped).startswith("http://host/path: ")
    assert " k" not in str(mapped)


NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("-5", None),
        ("0", 0.0),
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("86400", MAX_PAUSE_SECONDS),
        ("9" * 400, MAX_PAUSE_SECONDS),
        ("Fri, 31 Dec 9999 23:59:59 -1200", MAX_PAUSE_SECONDS),
        ("Sat, 01 Jan 10000 00:00:00 GMT", MAX_PAUSE_SECONDS),
        ("Sat, 01 Jan " + "9" * 20 + " 00:00:00 GMT", MAX_PAUSE_SECONDS),
        ("Sat, 31 Feb 2026 00:00:00 GMT", None),
        (format_datetime(NOW + timedelta(seconds=20), usegmt=True), 20.0),
        (format_datetime(NOW - timedelta(seconds=20), usegmt=True), 0.0),
        (format_datetime(NOW + timedelta(days=1), usegmt=True), 120.0),
    ],
)
def test_retry_after_is_parsed_in_both_forms(value: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, now=NOW) == seconds
