"""A loopback server that sends given bytes, and then a byte now and then."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
PAUSE_SECONDS = 0.01
_REQUEST_BYTES = 65536


@dataclass
class RawServer:
    """A server of the same answers on each connection.

    Attributes:
        answers: bytes sent after the first request, after the second one, and so on.
        drip: bytes sent one by one after the last answer, again and again until the client
            disconnects. Without any, the connection is closed.
        dripping: set when the first of them was sent.
        disconnected: set when a client has disconnected meanwhile.
    """

    answers: tuple[bytes, ...]
    drip: bytes = b""
    url: str = ""
    dripping: threading.Event = field(default_factory=threading.Event)
    disconnected: threading.Event = field(default_factory=threading.Event)

    def serve(self, listening: socket.socket) -> None:
        """Serve until the listening socket is shut down."""
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                for answer in self.answers:
                    connection.recv(_REQUEST_BYTES)
                    connection.sendall(answer)
                if self.drip:
                    self._drip(connection)

    def _drip(self, connection: socket.socket) -> None:
        number = 0
        try:
            while not self._has_ended(connection):
                connection.send(self.drip[number % len(self.drip) :][:1])
                number += 1
                self.dripping.set()
        except OSError:
            pass
        self.disconnected.set()

    @staticmethod
    def _has_ended(connection: socket.socket) -> bool:
        readable, _, _ = select.select([connection], [], [], PAUSE_SECONDS)
        return bool(readable) and not connection.recv(_REQUEST_BYTES)


@contextmanager
def raw_server(*answers: bytes, drip: bytes = b"") -> Iterator[RawServer]:
    """Yield a server that runs until the context ends."""
    server = RawServer(answers, drip)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread = threading.Thread(target=server.serve, args=(listening,), daemon=True)
        thread.start()
        yield server
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()
