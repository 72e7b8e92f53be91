"""Limit the time of whole exchanges: connect, send, header and body.

The timeouts of a socket are per read, so that a server that sends a byte now and then holds a call
forever. A thread shuts down the connections of an exchange at its deadline, or when the pull is
aborted, and the blocked call fails.
"""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from urllib3.connection import HTTPConnection

from pipelines.jumpcloud.errors import AbortedError, ExtractError, TemporaryError

EXCHANGE_SECONDS = 60.0


class Exchange:
    """One request and its response, sent and received by one thread.

    Attributes:
        seconds: maximum duration.
        deadline: monotonic time at which it ends.
        has_ended: True if its connections were shut down.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.deadline = time.monotonic() + seconds
        self.has_ended = False
        self._sockets: list[socket.socket] = []

    def elapsed(self) -> float:
        """Return the seconds since it began."""
        return time.monotonic() - (self.deadline - self.seconds)

    def watch(self, connection: socket.socket) -> None:
        """Shut down the connection, too, when the exchange ends."""
        # A duplicate, because TLS takes over the socket, and a closing connection drops it.
        duplicate = socket.fromfd(connection.fileno(), connection.family, connection.type)
        self._sockets.append(duplicate)
        if self.has_ended:
            self.end()

    def end(self) -> None:
        """Shut down the connections."""
        self.has_ended = True
        for connection in self._sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Release the duplicates of the sockets."""
        for connection in self._sockets:
            connection.close()
        self._sockets.clear()


class Exchanges:
    """The exchanges in progress of one key. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._open: dict[int, Exchange] = {}
        self._is_watched = False
        self._is_aborted = False

    @contextmanager
    def begin(self) -> Iterator[Exchange]:
        """Yield the exchange of this thread. One within another has the outer one's deadline."""
        thread = threading.get_ident()
        if thread in self._open:
            yield self._open[thread]
            return
        exchange = Exchange(EXCHANGE_SECONDS)
        with self._lock:
            exchange.has_ended = self._is_aborted
            self._open[thread] = exchange
            if not self._is_watched:
                self._is_watched = True
                threading.Thread(target=self._end_overdue, name="deadlines", daemon=True).start()
        try:
            yield exchange
        finally:
            with self._lock:
                del self._open[thread]
                exchange.close()

    def watch(self, connection: socket.socket) -> None:
        """Add a connection to the exchange of this thread, if any."""
        with self._lock:
            exchange = self._open.get(threading.get_ident())
            if exchange:
                exchange.watch(connection)

    def abort(self) -> None:
        """End all exchanges, and every later one."""
        with self._lock:
            self._is_aborted = True
            for exchange in self._open.values():
                exchange.end()

    def explain(self, exchange: Exchange, failure: ExtractError, where: str) -> ExtractError:
        """Return the failure of an exchange, or the reason why it was ended.

        Args:
            exchange: the exchange that failed.
            failure: the failure that its thread met.
            where: requested URL, for the message.
        """
        if not exchange.has_ended:
            return failure
        if self._is_aborted:
            return AbortedError(f"{where}: ended, because another call failed")
        return TemporaryError(f"{where}: no complete response in {exchange.seconds:g} s")

    def _end_overdue(self) -> None:
        """End each exchange at its deadline, until there is none."""
        while True:
            with self._lock:
                now = time.monotonic()
                for exchange in self._open.values():
                    if exchange.deadline <= now:
                        exchange.end()
                waits = [one.deadline - now for one in self._open.values() if not one.has_ended]
                self._is_watched = bool(waits)
            if not waits:
                return
            # Every exchange takes the same time at most, so that none that begins later ends first.
            time.sleep(min(waits))


def watched(kind: type[HTTPConnection], exchanges: Exchanges) -> type[HTTPConnection]:
    """Return a class of connections that exchanges can end."""

    class Watched(kind):  # type: ignore[misc, valid-type]
        def _new_conn(self) -> socket.socket:
            # The earliest moment: a proxy or a TLS handshake may be slow, too.
            connection: socket.socket = super()._new_conn()
            exchanges.watch(connection)
            return connection

        def request(self, *args: object, **kwargs: object) -> None:
            if self.sock is not None:
                exchanges.watch(self.sock)
            super().request(*args, **kwargs)

    return Watched
