"""A server that is slow at any point of an exchange holds no call longer than the deadline."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.jumpcloud.auth import ApiKeyAuth
from pipelines.jumpcloud.client import JumpCloudClient, Request
from pipelines.jumpcloud.errors import AbortedError, TemporaryError
from pipelines.jumpcloud.transport import Network, read_only_session
from pipelines.ratelimit.limiter import get_rate_limiter
from tests.support.raw_server import JSON, RawServer, raw_server

KEY = "jca_key"
DEADLINE = 0.2
REQUEST = Request("/api/systems")
EMPTY = JSON + b"content-length: 2\r\n\r\n[]"


def send(server: RawServer, *, by_proxy: bool = False) -> None:
    """Send one request, directly or through the server as a proxy."""
    network = Network(proxy=server.url) if by_proxy else Network()
    url = "https://api.example" if by_proxy else server.url
    with read_only_session(url, ApiKeyAuth(KEY), connections=1, network=network) as session:
        retries: list[str] = []
        rate_limiter = get_rate_limiter(server.url, None, None)
        client = JumpCloudClient(session, url, rate_limiter, on_retry=retries.append)
        client.max_failed_seconds = DEADLINE / 2
        try:
            client.send(REQUEST)
        finally:
            assert retries == []


@pytest.mark.parametrize(
    ("answer", "drip", "by_proxy"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n", False),
        (JSON, b"x-filler: 1\r\n", False),
        (JSON + b"connection: close\r\n\r\n", b" ", False),
        (JSON + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n", False),
        (b"HTTP/1.1 200 OK\r\n", b"x-filler: 1\r\n", True),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"\x16\x03\x03\x40\x00" + bytes(9999), True),
    ],
    ids=["status", "header", "body", "chunks", "proxy", "TLS"],
)
def test_slow_server_ends_at_the_deadline(
    answer: bytes,
    drip: bytes,
    by_proxy: bool,  # noqa: FBT001
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipelines.jumpcloud.exchanges.EXCHANGE_SECONDS", DEADLINE)
    with raw_server(answer, drip=drip) as server:
        with pytest.raises(TemporaryError, match=f"no complete response in {DEADLINE} s") as caught:
            send(server, by_proxy=by_proxy)
        server.disconnected.wait()
    assert caught.value.__context__ is None  # it would hold the request and its key


def test_exchange_ends_when_the_pull_is_aborted() -> None:
    with (
        raw_server(EMPTY, JSON, drip=b"x-filler: 1\r\n") as server,
        read_only_session(server.url, ApiKeyAuth(KEY), connections=1) as session,
        ThreadPoolExecutor(1) as pool,
    ):
        client = JumpCloudClient(session, server.url, get_rate_limiter(server.url, None, None))
        client.send(REQUEST)
        call = pool.submit(client.send, REQUEST)  # on the same connection
        server.dripping.wait()
        client.abort()
        with pytest.raises(AbortedError):
            call.result()
