"""Run benchmarks: `python -m benchmarks [NAME ...]`.

Prints a Markdown table per benchmark and the state of each goal. Exits with 1 if a goal is missed.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.cases import (
    access,
    before,
    faults,
    frames,
    history,
    limits,
    peers,
    publish,
    pull,
    scale,
    shared,
)
from benchmarks.runner import BenchmarkError, Report

BENCHMARKS: dict[str, Callable[[Path], Report]] = {
    "pull": pull.measure,
    "limits": limits.measure,
    "shared": shared.measure,
    "faults": faults.measure,
    "peers": peers.measure,
    "scale": scale.measure,
    "publish": publish.measure,
    "access": access.measure,
    "frames": frames.measure,
    "history": history.measure,
    "before": before.measure,
}


def main() -> int:
    """Run the named benchmarks, or all, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"unknown benchmark {name!r}; choose from {', '.join(BENCHMARKS)}")
    missed = [name for name in names if not _run(name)]
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def _run(name: str) -> bool:
    """Run a benchmark, print its report, and return whether all goals hold."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        try:
            report = BENCHMARKS[name](Path(scratch))
        except BenchmarkError as error:
            print(f"## {name}\n\n- FAILED: {error}\n", flush=True)
            return False
    load = os.getloadavg()[0]
    print(f"{report}\n\nload of {os.cpu_count()} cores at the end: {load:.1f}\n", flush=True)
    return report.holds


if __name__ == "__main__":
    sys.exit(main())
