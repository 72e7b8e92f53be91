"""Serve a simulated organization in a process of its own until SIGTERM or SIGINT.

Prints one line of JSON when it is ready: `base_url`, and the keys that it accepts.
"""

import argparse
import json
import signal
import sys
import threading
from dataclasses import fields

from pipelines.simulator.api.behavior import Behavior
from pipelines.simulator.api.server import Server
from pipelines.simulator.data.generate import Sizes, generate
from pipelines.simulator.data.organization import Organization


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        arguments: Arguments of the command line; None for those of the process.
    """
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    org = _organization(options)
    with Server(org, behavior=_behavior(options), port=options.port) as server:
        ready = {
            "base_url": server.base_url,
            "api_key": org.api_key,
            "client_id": org.client_id,
            "client_secret": org.client_secret,
            "organization_id": org.id,
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        stop.wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipelines.simulator", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    for field in fields(Sizes):
        name = f"--{field.name.replace('_', '-')}"
        parser.add_argument(name, type=int, default=field.default)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--latency-per-in-flight-ms", type=float, default=0)
    parser.add_argument("--requests-per-second", type=float)
    parser.add_argument("--burst", type=int, default=Behavior.burst)
    parser.add_argument("--retry-after", choices=("seconds", "date"))
    return parser


def _organization(options: argparse.Namespace) -> Organization:
    counts = {field.name: getattr(options, field.name) for field in fields(Sizes)}
    return generate(options.seed, Sizes(**counts))


def _behavior(options: argparse.Namespace) -> Behavior:
    milliseconds = 1000
    return Behavior(
        latency_seconds=options.latency_ms / milliseconds,
        latency_per_in_flight_seconds=options.latency_per_in_flight_ms / milliseconds,
        requests_per_second=options.requests_per_second,
        burst=options.burst,
        retry_after=options.retry_after,
    )


if __name__ == "__main__":
    main()
