"""Intentionally wrong answers."""

import json
import socket
import struct
from asyncio import Transport
from collections.abc import AsyncIterator
from http import HTTPStatus
from http.client import responses
from typing import Final

from pipelines.simulator.api.behavior import Fault
from pipelines.simulator.api.routes import Answer, refusal

HTML: Final = "text/html; charset=utf-8"
BREAKING: Final = frozenset({"reset", "hang", "truncated"})
DEPTH: Final = 100_000
ELSEWHERE: Final = "https://elsewhere.example.net/api/systems"


def broken_answer(fault: Fault) -> Answer | None:
    """Return the answer of a fault; None if it is derived from the correct answer."""
    if fault.kind == "status":
        return Answer(fault.status, error_page(fault.status), fault.headers, HTML)
    answers = {
        "deep_json": Answer(HTTPStatus.OK, b"[" * DEPTH + b"]" * DEPTH),
        "huge": Answer(HTTPStatus.OK, b"", stream=_huge_rows(fault.mebibytes)),
        "html200": Answer(HTTPStatus.OK, b"<!DOCTYPE html><html>Log in</html>", content_type=HTML),
        "bad_json": Answer(HTTPStatus.OK, b'[{"id": "64b0c0de'),
        "forbidden": refusal(HTTPStatus.FORBIDDEN),
        "not_found": refusal(HTTPStatus.NOT_FOUND),
        "redirect": Answer(HTTPStatus.FOUND, b"", {"location": ELSEWHERE}, HTML),
    }
    return answers.get(fault.kind)


def error_page(status: int) -> bytes:
    """Return an HTML error as a proxy in front of the API sends it."""
    title = f"{status} {responses.get(status, 'Error')}"
    head = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n"
    return f"{head}<center><h1>{title}</h1></center>\r\n<hr><center>nginx</center>\r\n".encode()


def repeat_first_row(answer: Answer) -> Answer:
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


def cut_short(answer: Answer, transport: Transport) -> None:
    """Send the head and half of the body, then close the connection."""
    head = f"HTTP/1.1 {answer.status} OK\r\ncontent-type: {answer.content_type}\r\n"
    lines = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    length = f"content-length: {len(answer.body)}\r\n\r\n"
    transport.write((head + lines + length).encode() + answer.body[: len(answer.body) // 2])
    transport.close()


def reset(transport: Transport) -> None:
    """Abort the connection with a TCP reset."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
