"""Run the simulated API on loopback, in a thread of its own."""

import asyncio
import socket
import threading
from collections import Counter
from contextlib import suppress
from typing import Final, Self, cast

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from pipelines.simulator.api.app import Application, Peer
from pipelines.simulator.api.behavior import Behavior
from pipelines.simulator.api.provider import Provider
from pipelines.simulator.data.organization import Organization

TICK_SECONDS: Final = 0.1
GRACE_SECONDS: Final = 0.5
LOOP_CLOSE_SECONDS: Final = 5.0


class Server:
    """A simulated JumpCloud at `base_url` while the context is open.

    Args:
        *holders: The organizations, distinguished by their keys; a provider holds several.
        behavior: Switches, which may be changed while it serves.
        port: Port on 127.0.0.1; 0 chooses a free one.

    Attributes:
        base_url: Address of the API.
        calls: Every call since the start or the last reset, in order of arrival.
        writes: Calls that tried to change something; a reader leaves this empty.
    """

    def __init__(
        self, *holders: Organization | Provider, behavior: Behavior | None = None, port: int = 0
    ) -> None:
        self.behavior = behavior or Behavior()
        self.app = Application(holders, self.behavior)
        self.calls, self.writes = self.app.calls, self.app.writes
        self._port = port

    def __enter__(self) -> Self:
        """Start, and return when the server answers requests."""
        self.app.stopping = asyncio.Event()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", self._port))
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self.app,
            http=_protocol(self.app),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            server_header=False,
        )
        self._uvicorn = _Uvicorn(config, self.app)
        self._thread = threading.Thread(
            target=self._uvicorn.run, args=([self._socket],), name="simulator", daemon=True
        )
        self._thread.start()
        self._uvicorn.ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop: release pending calls, and close connections."""
        self._uvicorn.should_exit = True
        self._uvicorn.loop.call_soon_threadsafe(self.app.stopping.set)
        # All calls have ended when uvloop closes its loop, which rarely hangs forever.
        self._thread.join(LOOP_CLOSE_SECONDS)

    @property
    def tokens(self) -> set[str]:
        """Return every issued bearer token."""
        return self.app.tokens.issued

    @property
    def max_in_flight_seen(self) -> int:
        """Return the largest number of calls in flight at one time."""
        return self.app.max_in_flight

    def calls_by_path(self) -> Counter[str]:
        """Return the number of calls by endpoint; ids in paths read `{id}`."""
        return self.app.calls_by_path()

    def reset_calls(self) -> None:
        """Clear the recorded calls; the running number continues."""
        self.calls.clear()
        self.writes.clear()
        self.app.max_in_flight = 0


class _Uvicorn(uvicorn.Server):
    """A uvicorn server that signals its start, and stops at once instead of polling."""

    def __init__(self, config: uvicorn.Config, app: Application) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self.loop: asyncio.AbstractEventLoop
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        tick = 0
        while not await self.on_tick(tick):
            tick += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._app.stopping.wait(), TICK_SECONDS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(set(self.server_state.tasks), timeout=GRACE_SECONDS)
        # A connection accepted at the last moment appears only now.
        await asyncio.sleep(0)
        while self._app.transports:
            for transport in list(self._app.transports.values()):
                transport.abort()
            await asyncio.sleep(0)


def _protocol(app: Application) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol, extended to record connections that faults may break."""

    class Protocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: asyncio.Transport) -> None:
            self._peer = cast("Peer", tuple(transport.get_extra_info("peername")))
            app.transports[self._peer] = transport
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            app.transports.pop(self._peer, None)
            super().connection_lost(exc)

    return Protocol
