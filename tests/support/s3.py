"""A moto S3 server on loopback. A test can inspect, reject or disturb its requests."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import requests
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BUCKET = "inventory"
CONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH")


@dataclass(frozen=True)
class S3Request:
    """The method and the path below the bucket of a request."""

    method: str
    path: str

    @property
    def is_write(self) -> bool:
        """Return True if the request changes an object."""
        return self.method in {"PUT", "POST", "DELETE"}


@dataclass
class S3Server:
    """The state of the server, and its faults.

    Attributes:
        address: URL of the server.
        requests: all requests, in order.
        is_refused: returns True for a request that is rejected with status 403.
        loses_answer: returns True for a request that is executed but answered with status 502.
        has_conditions: False to ignore `If-Match` and `If-None-Match`.
    """

    address: str = ""
    requests: list[S3Request] = field(default_factory=list)
    is_refused: Callable[[S3Request], bool] = lambda _: False
    loses_answer: Callable[[S3Request], bool] = lambda _: False
    has_conditions: bool = True

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables for a client of this server."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "test-access-key",
            "AWS_SECRET_ACCESS_KEY": "test-secret-access-key",
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }

    def serve(
        self, environ: "WSGIEnvironment", start: "StartResponse", moto: DomainDispatcherApplication
    ) -> Iterable[bytes]:
        """Answer one request."""
        request = S3Request(environ["REQUEST_METHOD"], environ["PATH_INFO"].split("/", 2)[-1])
        self.requests.append(request)
        if self.is_refused(request):
            start("403 Forbidden", [("Content-Length", "0")])
            return []
        if not self.has_conditions:
            for name in CONDITIONS:
                environ.pop(name, None)
        if self.loses_answer(request):
            list(moto(environ, lambda *_: lambda _: None))
            start("502 Bad Gateway", [("Content-Length", "0")])
            return []
        response: Iterable[bytes] = moto(environ, start)
        return response


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Serve an empty bucket until the end of the block."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    moto = DomainDispatcherApplication(create_backend_app)
    server = S3Server()
    served = make_server(
        "127.0.0.1",
        0,
        lambda environ, start: server.serve(environ, start, moto),
        threaded=True,
        request_handler=MotoRequestHandler,
    )
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    server.address = f"http://127.0.0.1:{served.server_port}"
    try:
        requests.post(f"{server.address}/moto-api/reset", timeout=30).raise_for_status()
        requests.put(f"{server.address}/{BUCKET}", timeout=30).raise_for_status()
        server.requests.clear()
        yield server
    finally:
        served.shutdown()
        thread.join()
        served.server_close()
