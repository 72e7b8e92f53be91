"""The UI with its daemon, as `jumpcloud-inventory ui` starts them."""

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import requests
import tenacity

from tests.support.cli import COMMAND

# Not a limit on the speed: it only ends a wait that would never end.
PATIENCE_SECONDS = 120


@contextmanager
def served_ui(
    environment: Mapping[str, str], host: str = "127.0.0.1", *, ctrl_c: bool = False
) -> Iterator[str]:
    """Serve the UI of an installation until the context ends, and yield its address.

    Args:
        environment: variables of the process.
        host: address to listen on.
        ctrl_c: True to end it as Ctrl-C on a terminal, False as a service manager.
    """
    with socket.create_server((host, 0)) as free:
        port = free.getsockname()[1]
    with subprocess.Popen(
        [COMMAND, "ui", "--host", host, "--port", str(port)],
        env={"PATH": os.environ["PATH"], "TZ": "UTC", **environment},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        try:
            # The UI takes another port if this one was taken in the meantime.
            address = re.search(r"http://\S+", process.stdout.readline())
            assert address
            _wait_for(address[0])
            yield address[0]
        finally:
            if ctrl_c:
                os.killpg(process.pid, signal.SIGINT)
            else:
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 130 or not ctrl_c


@tenacity.retry(
    retry=tenacity.retry_if_exception_type(requests.RequestException),
    stop=tenacity.stop_after_delay(PATIENCE_SECONDS),
    wait=tenacity.wait_fixed(0.2),
    reraise=True,
)
def _wait_for(address: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        session.get(f"{address}/server_info", timeout=PATIENCE_SECONDS).raise_for_status()
