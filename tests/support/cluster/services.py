"""PostgreSQL, Redis and an object store on free loopback ports, while a context is open."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import psycopg2
import redis
import tenacity
import urllib3

PATIENCE_SECONDS = 60
_DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
_FOUND = shutil.which("pg_ctl"), shutil.which("redis-server")
PG_CTL = _FOUND[0] or str(_DEBIAN[-1] if _DEBIAN else "pg_ctl")
REDIS_SERVER = _FOUND[1] or "redis-server"
ARE_INSTALLED = bool((_FOUND[0] or _DEBIAN) and _FOUND[1])
USER = "dagster"
BUCKET = "inventory"


class NotReadyError(Exception):
    """A condition was not met in time."""


def wait_until(
    condition: Callable[[], object], description: str, seconds: float = PATIENCE_SECONDS
) -> None:
    """Wait until a condition is met.

    Raises:
        NotReadyError: The condition was not met in time.
    """
    try:
        tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda holds: not holds),
            stop=tenacity.stop_after_delay(seconds),
            wait=tenacity.wait_fixed(0.1),
        )(condition)
    except tenacity.RetryError:
        raise NotReadyError(f"{description}: not within {seconds:.0f} s") from None


def free_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def process(
    command: Sequence[str], environment: dict[str, str], folder: Path, log: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command in a process group of its own until the context ends."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as started,
    ):
        try:
            yield started
        finally:
            end_group(started)


def end_group(started: "subprocess.Popen[bytes]") -> None:
    """Kill a process and its children, as the kernel does when memory runs out."""
    if started.poll() is None:
        os.killpg(started.pid, 9)
        started.wait()


@dataclass(frozen=True)
class Postgres:
    """A PostgreSQL server with an empty database `dagster`."""

    folder: Path
    port: int
    password: str

    def connect(self, database: str = USER) -> "psycopg2.extensions.connection":
        """Open a connection."""
        return psycopg2.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=self.password,
            dbname=database,
        )

    def restart(self) -> None:
        """Restart as an administrator does: open connections are closed."""
        self._control("restart", "-m", "fast")

    def make(self) -> None:
        """Create the database, and start the server."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        shutil.chown(secret, *_owner())
        options = ["-U", USER, "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync"]
        self._control("initdb", "-o", " ".join(options))
        self.start()
        with closing(self.connect("postgres")) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE {USER}")

    def start(self) -> None:
        """Start the server."""
        self._control("start")

    def stop(self) -> None:
        """Stop the server at once."""
        self._control("stop", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        settings = (
            f"-c listen_addresses=127.0.0.1 -c port={self.port} "
            "-c unix_socket_directories= -c fsync=off"
        )
        command = [PG_CTL, "-D", str(self.folder / "data"), "-s", "-w", *arguments]
        if arguments[0] in {"start", "restart"}:
            command += ["-l", str(self.folder / "log"), "-o", settings]
        user, group = _owner()
        own = ["setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"]
        subprocess.run(
            [*(own if os.geteuid() == 0 else []), *command],
            cwd=self.folder,
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=PATIENCE_SECONDS,
        )


def _owner() -> tuple[str, str]:
    """Return the user and group that run PostgreSQL, which refuses root."""
    name = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    return name, name if os.geteuid() == 0 else str(os.getegid())


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Serve a PostgreSQL with an empty database."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, *_owner())
        server = Postgres(folder, free_port(), secrets.token_hex())
        server.make()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def redis_server(folder: Path) -> Iterator[str]:
    """Serve an empty Redis, and yield its address."""
    port = free_port()
    command = [REDIS_SERVER, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with (
        process(command, {}, folder, folder / "redis.log"),
        closing(redis.Redis(port=port)) as client,
    ):
        wait_until(lambda: _answers(client), "Redis answers")
        yield f"redis://127.0.0.1:{port}"


def _answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


@contextmanager
def object_store(folder: Path) -> Iterator[str]:
    """Serve an in-memory S3 with the bucket `BUCKET`, and yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    address = f"http://127.0.0.1:{port}"
    with process(command, dict(os.environ), folder, folder / "s3.log"):
        wait_until(lambda: _has_bucket(address), "the object store answers")
        yield address


def _has_bucket(address: str) -> bool:
    try:
        made = urllib3.request("PUT", f"{address}/{BUCKET}", retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return made.status == HTTPStatus.OK
