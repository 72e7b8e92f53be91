"""Measure the lower bound: send calls and discard the answers."""

import http.client
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from urllib.parse import urlsplit

from benchmarks.runner import BenchmarkError
from benchmarks.served import Served

PATH = "/api/v2/systemgroups?limit=100"
TIMEOUT_SECONDS = 30


def bare_seconds(served: Served, calls: int, in_flight: int) -> float:
    """Return the seconds of a client that sends calls and discards the answers.

    A result above what the latency explains means that the machine was busy, and that the pull
    measured next to it is too slow by the same factor.
    """
    numbers = iter(repeat(None, calls))
    started = time.monotonic()
    with ThreadPoolExecutor(in_flight) as pool:
        for done in [pool.submit(_send_all, served, numbers) for _ in range(in_flight)]:
            done.result()
    return time.monotonic() - started


def _send_all(served: Served, numbers: Iterator[None]) -> None:
    """Send calls until the shared iterator is exhausted; its `next` is atomic."""
    connection = http.client.HTTPConnection(
        urlsplit(served.base_url).netloc, timeout=TIMEOUT_SECONDS
    )
    for _ in numbers:
        connection.request("GET", PATH, headers={"x-api-key": served.api_key})
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            raise BenchmarkError(f"{PATH}: status {answer.status}")
    connection.close()
