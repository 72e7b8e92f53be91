"""The simulated API as an ASGI application: keys, load and faults around the routes."""

import asyncio
import math
import time
from collections import Counter
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from pipelines.simulator.api import faults
from pipelines.simulator.api.behavior import Behavior, Call, Fault, TokenBucket
from pipelines.simulator.api.pages import encode
from pipelines.simulator.api.provider import Provider, ProviderRoutes
from pipelines.simulator.api.routes import Answer, Request, Routes, refusal
from pipelines.simulator.api.tokens import TOKEN_PATH, Tokens
from pipelines.simulator.data.keys import KeyHolder
from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import OBJECT_ID

KEY_HEADERS: Final = frozenset({"x-api-key", "authorization"})
CALLS_PATH: Final = "/__simulator__/calls"
Peer = tuple[str, int]


class Answerer(Protocol):
    """What answers a request that nothing else has decided."""

    def answer(self, request: Request) -> Answer:
        """Return the answer, a refusal included."""


class Application:
    """One API host serving several organizations, told apart by their keys.

    Args:
        holders: The organizations, and providers that hold several.
        behavior: Switches, read anew at every call.

    Attributes:
        calls: Every call since the start or the last reset, in order of arrival.
        writes: The calls among them that were no reads.
        in_flight, max_in_flight: Calls being answered now, and at most so far.
        tokens: The token endpoint.
        transports: Open connections by the address of the client.
        stopping: Set when the server stops, to end everything that waits.
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
            (each, _routes(each, behavior), TokenBucket()) for each in holders
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
        """Return how often what was called, as plain JSON values."""
        statuses = Counter(str(call.status) for call in self.calls)
        return {
            "calls": len(self.calls),
            "by_path": dict(self.calls_by_path()),
            "by_status": dict(statuses),
            "writes": len(self.writes),
            "max_in_flight": self.max_in_flight,
        }

    def calls_by_path(self) -> Counter[str]:
        """Return how many calls each endpoint had; ids in paths read `{id}`."""
        return Counter(
            "/".join("{id}" if OBJECT_ID.fullmatch(part) else part for part in path.split("/"))
            for path in (call.path for call in self.calls)
        )

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = self._record(scope)
        body = await HttpRequest(scope, receive).body() if call.method == "POST" else b""
        await self._load()
        if self.behavior.on_call is not None:
            self.behavior.on_call(call.number, call)
        if call.number in self.behavior.tokens_end_at:
            self.tokens.end()
        authorization = _header(scope, b"authorization")
        answer, routes = self._authenticate(call, _header(scope, b"x-api-key"), authorization)
        if routes is not None:
            fault = self.behavior.next_fault(call)
            request = Request(
                call.number,
                call.method,
                call.path,
                _params(call.query),
                call.headers | {"authorization": authorization},
                body,
            )
            if fault is not None:
                await self._fail(fault, routes, request, call, (scope, receive, send))
                return
            answer = self._answer(routes, request)
        call.status = answer.status
        await _respond(answer, scope, receive, send)

    def _record(self, scope: Scope) -> Call:
        self._number += 1
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        call = Call(
            self._number,
            scope["method"],
            scope["path"],
            scope["query_string"].decode("latin-1"),
            {name: value for name, value in headers.items() if name not in KEY_HEADERS},
            time.monotonic(),
        )
        self.calls.append(call)
        if _is_write(call.method, call.path):
            self.writes.append(call)
        return call

    async def _load(self) -> None:
        behavior = self.behavior
        seconds = behavior.latency_seconds
        seconds += behavior.latency_per_in_flight_seconds * self.in_flight
        if seconds > 0:
            await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not beyond the end of the server."""
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return

    def _authenticate(
        self, call: Call, key: str, authorization: str
    ) -> tuple[Answer, Answerer | None]:
        """Return the routes of the key's holder, or the answer if the key is refused."""
        if call.path == TOKEN_PATH:
            return _UNAUTHORIZED, self.tokens
        if not key and not authorization:
            if call.path == "/login":
                return Answer(HTTPStatus.OK, b"<!DOCTYPE html>", content_type=faults.HTML), None
            location = {"location": "/login"}
            return Answer(HTTPStatus.FOUND, b"", location, faults.HTML), None
        of_token = None if key else self.tokens.holder(authorization)
        for holder, routes, bucket in self._holders:
            if holder is of_token or holder.api_key == key:
                throttled = self._throttle(bucket)
                return (throttled, None) if throttled else (_UNAUTHORIZED, routes)
        return _UNAUTHORIZED, None

    def _throttle(self, bucket: TokenBucket) -> Answer | None:
        behavior = self.behavior
        if behavior.requests_per_second is None:
            return None
        wait = math.ceil(bucket.wait(behavior.requests_per_second, behavior.burst))
        if not wait:
            return None
        headers = {}
        if behavior.retry_after == "seconds":
            headers = {"retry-after": str(wait)}
        elif behavior.retry_after == "date":
            headers = {"retry-after": formatdate(math.ceil(time.time()) + wait, usegmt=True)}
        status = HTTPStatus.TOO_MANY_REQUESTS
        return Answer(status, faults.error_page(status), headers, faults.HTML)

    def _answer(self, routes: Answerer, request: Request) -> Answer:
        if _is_write(request.method, request.path):
            return refusal(HTTPStatus.METHOD_NOT_ALLOWED)
        return routes.answer(request)

    async def _fail(
        self,
        fault: Fault,
        routes: Answerer,
        request: Request,
        call: Call,
        connection: tuple[Scope, Receive, Send],
    ) -> None:
        scope, receive, send = connection
        answer = faults.broken_answer(fault)
        if fault.kind == "duplicate_rows":
            answer = self._answer(routes, request)
            if answer.status == HTTPStatus.OK:
                answer = faults.with_repeated_row(answer)
        if answer is not None:
            call.status = answer.status
            await _respond(answer, scope, receive, send)
        elif fault.kind == "huge":
            call.status = HTTPStatus.OK
            rows = faults.rows_without_end(fault.mebibytes)
            await StreamingResponse(rows, media_type="application/json")(scope, receive, send)
        else:
            await self._break(fault, self._answer(routes, request), scope, receive)

    async def _break(self, fault: Fault, answer: Answer, scope: Scope, receive: Receive) -> None:
        """Break the connection, and return when it is gone."""
        transport = self.transports[tuple(scope["client"])]
        if fault.kind == "hang":
            gone = asyncio.ensure_future(_until_disconnect(receive))
            stop = asyncio.ensure_future(self._pause(fault.seconds))
            await asyncio.wait((gone, stop), return_when=asyncio.FIRST_COMPLETED)
            for waiting in (gone, stop):
                waiting.cancel()
            transport.abort()
        elif fault.kind == "truncated":
            faults.cut_short(answer, transport)
        else:
            faults.reset(transport)
        await _until_disconnect(receive)


_UNAUTHORIZED: Final = Answer(
    HTTPStatus.UNAUTHORIZED,
    encode({"error": "Unauthorized", "message": "Unauthorized: api key user not found"}),
)


def _routes(holder: Organization | Provider, behavior: Behavior) -> Answerer:
    if isinstance(holder, Provider):
        return ProviderRoutes(holder, behavior)
    return Routes(holder, behavior)


def _is_write(method: str, path: str) -> bool:
    is_read = method == "GET" or (
        method == "POST" and (path.startswith("/api/search/") or path == TOKEN_PATH)
    )
    return not is_read


def _params(query: str) -> dict[str, str]:
    """Return the parameters of a query; `filter` may come several times, so they are numbered."""
    return {
        f"filter[{number}]" if name == "filter" else name: value
        for number, (name, value) in enumerate(parse_qsl(query))
    }


def _header(scope: Scope, wanted: bytes) -> str:
    for name, value in scope["headers"]:
        if name == wanted:
            return str(value.decode("latin-1"))
    return ""


async def _until_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _respond(answer: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"content-type": answer.content_type} | answer.headers
    await Response(answer.body, answer.status, headers)(scope, receive, send)
