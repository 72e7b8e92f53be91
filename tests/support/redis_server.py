"""Run a Redis server for a test."""

import shutil
import socket
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest
import redis
import tenacity

START_SECONDS = 20.0
POLL_SECONDS = 0.02
MISSING = "redis-server is not installed. Run apt-get install redis-server"

needs_redis = pytest.mark.skipif(shutil.which("redis-server") is None, reason=MISSING)


class RedisServer:
    """A Redis server that stores nothing on disk and can be restarted at the same address.

    Args:
        folder: folder of the log.
        password: password of clients. Empty for none.
        certificate: file with a certificate and its key. If given, only TLS is accepted.
    """

    def __init__(self, folder: Path, password: str = "", certificate: Path | None = None) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        secret = f":{password}@" if password else ""
        self.address = f"redis://{secret}127.0.0.1:{self.port}"
        options = {"bind": "127.0.0.1", "save": "", "appendonly": "no", "port": f"{self.port}"}
        if certificate:
            self.address = f"rediss://{secret}127.0.0.1:{self.port}?ssl_ca_certs={certificate}"
            options |= {"port": "0", "tls-port": f"{self.port}", "tls-auth-clients": "no"}
            options |= {"tls-cert-file": f"{certificate}", "tls-key-file": f"{certificate}"}
        if password:
            options["requirepass"] = password
        self._command = ["redis-server"]
        for name, value in options.items():
            self._command += [f"--{name}", value]
        self._log = folder / f"redis-{self.port}.log"

    def __enter__(self) -> Self:
        """Start the server."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the server."""
        self.stop()

    def start(self) -> None:
        """Start the server, and wait until it responds."""
        with self._log.open("a") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        try:
            self._wait()
        except redis.ConnectionError:
            self.stop()
            raise

    @tenacity.retry(
        retry=tenacity.retry_if_exception_type(redis.ConnectionError),
        wait=tenacity.wait_fixed(POLL_SECONDS),
        stop=tenacity.stop_after_delay(START_SECONDS),
        reraise=True,
    )
    def _wait(self) -> None:
        with self.client() as client:
            client.ping()

    def stop(self) -> None:
        """Kill the server. Its data is lost."""
        self._process.kill()
        self._process.wait()

    def client(self) -> redis.Redis:
        """Return a client that can inspect the data."""
        return redis.Redis.from_url(self.address)
