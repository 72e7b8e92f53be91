"""Requests and answers of the simulated API."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from pipelines.simulator.api.pages import encode


@dataclass(frozen=True)
class Request:
    """A request after authentication."""

    number: int
    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """A response, with its complete body or a stream of it."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"
    stream: AsyncIterator[bytes] | None = None


def refusal(status: HTTPStatus, message: str | None = None) -> Answer:
    """Return an error in JumpCloud's form."""
    return Answer(status, encode({"message": message or status.phrase}))
