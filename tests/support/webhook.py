"""A webhook on loopback."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Webhook:
    """A webhook that responds with the given statuses in order, then with 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    posts: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


@contextmanager
def served_webhook(path: str) -> Iterator[Webhook]:
    """Serve a webhook at a path until the context ends."""
    hook = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            hook.posts.append(json.loads(body))
            hook.paths.append(self.path)
            self.send_response(hook.statuses.pop(0) if hook.statuses else 200)
            self.send_header("location", f"{hook.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook.url = f"http://127.0.0.1:{server.server_port}{path}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield hook
        server.shutdown()
        thread.join()


@contextmanager
def exported_webhook(
    variable: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Webhook]:
    """Serve a webhook until the context ends, with its address in an environment variable."""
    with served_webhook(path) as hook:
        monkeypatch.setenv(variable, hook.url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield hook
