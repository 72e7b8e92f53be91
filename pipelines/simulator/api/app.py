"""The simulated API as an ASGI application: authentication, load and faults around the routes."""

import asyncio
import json
import math
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from email.utils import formatdate
from http import HTTPStatus
from http.client import responses
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pipelines.simulator.api.accounts import AccountRoutes, Answerer
from pipelines.simulator.api.answers import Answer, Request, refusal
from pipelines.simulator.api.behavior import Behavior, Call, Fault, TokenBucket
from pipelines.simulator.api.lists import BadRequestError
from pipelines.simulator.api.pages import encode
from pipelines.simulator.api.provider import Provider, ProviderRoutes
from pipelines.simulator.api.reports import REPORT_REQUEST_PATH
from pipelines.simulator.api.routes import Routes
from pipelines.simulator.api.tokens import TOKEN_PATH, Tokens
from pipelines.simulator.data.organization import KeyHolder, Organization
from pipelines.simulator.data.records import OBJECT_ID

KEY_HEADERS: Final = frozenset({"x-api-key", "authorization"})
CALLS_PATH: Final = "/__simulator__/calls"
HTML: Final = "text/html; charset=utf-8"
BREAKING_FAULTS: Final = frozenset({"reset", "hang", "truncated"})
DEEP_JSON_DEPTH: Final = 100_000
REDIRECT_TARGET: Final = "https://elsewhere.example.net/api/systems"
Peer = tuple[str, int]


class Application:
    """One API host that serves several organizations, distinguished by their keys.

    Args:
        holders: The organizations, and providers that hold several.
        behavior: Switches, read again at every call.

    Attributes:
        calls: Every call since the start or the last reset, in order of arrival.
        writes: The calls that were not reads.
        in_flight, max_in_flight: Calls in flight now, and at most so far.
        tokens: The token endpoint.
        transports: Open connections by the address of the client.
        stopping: Set when the server stops, to release everything that waits.
    """

    def __init__(self, holders: tuple[Organization | Provider, ...], behavior: Behavior) -> None:
        self.behavior = behavior
        self.calls: list[Call] = []
        self.writes: list[Call] = []
        self.in_flight = 0
        self.max_in_flight = 0
        self.transports: dict[Peer, asyncio.Transport] = {}
        self.stopping = asyncio.Event()
        self._number = 0
        self.tokens = Tokens(holders, behavior)
        self._holders: list[tuple[KeyHolder, Answerer, TokenBucket]] = [
            (holder, _routes(holder, behavior), TokenBucket()) for holder in holders
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if scope["path"] == CALLS_PATH:
            await _respond(Answer(HTTPStatus.OK, encode(self.counters())), scope, receive, send)
            return
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            await self._serve(scope, receive, send)
        finally:
            self.in_flight -= 1

    def counters(self) -> dict[str, object]:
        """Return the numbers of calls as plain JSON values."""
        return {
            "calls": len(self.calls),
            "by_path": self.calls_by_path(),
            "by_status": Counter(str(call.status) for call in self.calls),
            "writes": len(self.writes),
            "max_in_flight": self.max_in_flight,
        }

    def calls_by_path(self) -> Counter[str]:
        """Return the number of calls by endpoint; ids in paths read `{id}`."""
        return Counter(
            "/".join("{id}" if OBJECT_ID.fullmatch(part) else part for part in path.split("/"))
            for path in (call.path for call in self.calls)
        )

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        headers = dict(http.headers)
        call = self._record(http, headers)
        body = await http.body() if call.method == "POST" else b""
        await self._pause(
            self.behavior.latency_seconds
            + self.behavior.latency_per_in_flight_seconds * self.in_flight
        )
        if self.behavior.on_call is not None:
            self.behavior.on_call(call.number, call)
        if call.number in self.behavior.tokens_end_at:
            self.tokens.end()
        answer = self._authenticate(call, headers)
        if not isinstance(answer, Answer):
            routes, params = answer, _params(call.query)
            request = Request(call.number, call.method, call.path, params, headers, body)
            fault = self.behavior.next_fault(call)
            answer = _answer(routes, request, fault)
            if fault is not None and fault.kind in BREAKING_FAULTS:
                await self._break(fault, answer, scope, receive)
                return
        call.status = answer.status
        await _respond(answer, scope, receive, send)

    def _record(self, http: HttpRequest, headers: Mapping[str, str]) -> Call:
        self._number += 1
        call = Call(
            self._number,
            http.method,
            http.scope["path"],
            http.scope["query_string"].decode("latin-1"),
            {name: value for name, value in headers.items() if name not in KEY_HEADERS},
            time.monotonic(),
        )
        self.calls.append(call)
        if _is_write(call.method, call.path):
            self.writes.append(call)
        return call

    async def _pause(self, seconds: float) -> None:
        """Wait, at most until the server stops."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), seconds)

    def _authenticate(self, call: Call, headers: Mapping[str, str]) -> Answer | Answerer:
        """Return the routes of the key's holder, or the answer if the key is refused."""
        if call.path == TOKEN_PATH:
            return self.tokens
        key, authorization = headers.get("x-api-key", ""), headers.get("authorization", "")
        if not key and not authorization:
            if call.path == "/login":
                return Answer(HTTPStatus.OK, b"<!DOCTYPE html>", content_type=HTML)
            return Answer(HTTPStatus.FOUND, b"", {"location": "/login"}, HTML)
        token_holder = None if key else self.tokens.holder(authorization)
        for holder, routes, bucket in self._holders:
            if holder is token_holder or key in {holder.api_key, holder.account.api_key}:
                return self._throttle(bucket) or routes
        return _UNAUTHORIZED

    def _throttle(self, bucket: TokenBucket) -> Answer | None:
        behavior = self.behavior
        if behavior.requests_per_second is None:
            return None
        wait = math.ceil(bucket.wait(behavior.requests_per_second, behavior.burst))
        if not wait:
            return None
        date = formatdate(math.ceil(time.time()) + wait, usegmt=True)
        value = {"seconds": str(wait), "date": date}.get(behavior.retry_after or "")
        headers = {"retry-after": value} if value else {}
        status = HTTPStatus.TOO_MANY_REQUESTS
        return Answer(status, _error_page(status), headers, HTML)

    async def _break(self, fault: Fault, answer: Answer, scope: Scope, receive: Receive) -> None:
        """Break the connection, and return when it is closed."""
        transport = self.transports[tuple(scope["client"])]
        if fault.kind == "hang":
            waits = [_wait_for_disconnect(receive), self._pause(fault.seconds)]
            tasks = [asyncio.ensure_future(wait) for wait in waits]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            transport.abort()
        elif fault.kind == "truncated":
            _cut_short(answer, transport)
        else:
            _reset(transport)
        await _wait_for_disconnect(receive)


_UNAUTHORIZED: Final = Answer(
    HTTPStatus.UNAUTHORIZED,
    encode({"error": "Unauthorized", "message": "Unauthorized: api key user not found"}),
)


def _routes(holder: Organization | Provider, behavior: Behavior) -> Answerer:
    if isinstance(holder, Provider):
        return AccountRoutes(holder, behavior, ProviderRoutes(holder, behavior))
    return AccountRoutes(holder, behavior, Routes(holder, behavior))


def _answer(routes: Answerer, request: Request, fault: Fault | None) -> Answer:
    broken = _broken_answer(fault) if fault is not None else None
    if broken is not None:
        return broken
    if _is_write(request.method, request.path):
        return refusal(HTTPStatus.METHOD_NOT_ALLOWED)
    try:
        answer = routes.answer(request)
    except BadRequestError as error:
        return refusal(HTTPStatus.BAD_REQUEST, str(error))
    repeats = fault is not None and fault.kind == "duplicate_rows"
    return _repeat_first_row(answer) if repeats and answer.status == HTTPStatus.OK else answer


def _broken_answer(fault: Fault) -> Answer | None:
    """Return the answer of a fault; None if it is derived from the correct answer."""
    if fault.kind == "status":
        return Answer(fault.status, _error_page(fault.status), fault.headers, HTML)
    answers = {
        "deep_json": Answer(HTTPStatus.OK, b"[" * DEEP_JSON_DEPTH + b"]" * DEEP_JSON_DEPTH),
        "huge": Answer(HTTPStatus.OK, b"", stream=_huge_rows(fault.mebibytes)),
        "html200": Answer(HTTPStatus.OK, b"<!DOCTYPE html><html>Log in</html>", content_type=HTML),
        "bad_json": Answer(HTTPStatus.OK, b'[{"id": "64b0c0de'),
        "forbidden": refusal(HTTPStatus.FORBIDDEN),
        "not_found": refusal(HTTPStatus.NOT_FOUND),
        "redirect": Answer(HTTPStatus.FOUND, b"", {"location": REDIRECT_TARGET}, HTML),
    }
    return answers.get(fault.kind)


def _error_page(status: int) -> bytes:
    """Return an HTML error as a proxy in front of the API sends it."""
    title = f"{status} {responses.get(status, 'Error')}"
    head = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
    return f"{head}<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n".encode()


def _repeat_first_row(answer: Answer) -> Answer:
    """Return the answer with its first row repeated at the end."""
    body = json.loads(answer.body)
    rows = body["results"] if isinstance(body, dict) else body
    rows.extend(rows[:1])
    return Answer(answer.status, json.dumps(body).encode(), answer.headers, answer.content_type)


async def _huge_rows(mebibytes: int) -> AsyncIterator[bytes]:
    """Yield a JSON array of this size in pieces."""
    piece = b",".join([b'{"id":"%s"}' % (b"0" * 1013)] * 1024)
    yield b"[" + piece
    for _ in range(mebibytes - 1):
        yield b"," + piece
    yield b"]"


def _cut_short(answer: Answer, transport: asyncio.Transport) -> None:
    """Send the head and half of the body, then close the connection."""
    head = f"HTTP/1.1 {answer.status} OK\r\ncontent-type: {answer.content_type}\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    length = f"content-length: {len(answer.body)}\r\n\r\n"
    transport.write((head + lines + length).encode() + answer.body[: len(answer.body) // 2])
    transport.close()


def _reset(transport: asyncio.Transport) -> None:
    """Abort the connection with a TCP reset."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _is_write(method: str, path: str) -> bool:
    is_query = path.startswith("/api/search/") or path in {TOKEN_PATH, REPORT_REQUEST_PATH}
    return method != "GET" and not (method == "POST" and is_query)


def _params(query: str) -> dict[str, str]:
    """Return the parameters of a query; `filter` may occur several times, so it is numbered."""
    return {
        f"filter[{number}]" if name == "filter" else name: value
        for number, (name, value) in enumerate(parse_qsl(query))
    }


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _respond(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"content-type": answer.content_type} | answer.headers
    if answer.stream is not None:
        response: Response = StreamingResponse(answer.stream, answer.status, headers)
    else:
        response = Response(answer.body, answer.status, headers)
    await response(scope, receive, send)
