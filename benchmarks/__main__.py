"""The command line: `python -m benchmarks [NAME ...]`.

Prints a Markdown table per benchmark and whether each goal holds; exits 1 if one is missed.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.cases import (
    capacity,
    cluster,
    faults,
    findings,
    integrations,
    limits,
    peers,
    publish,
    pull,
    scale,
    shared,
)
from benchmarks.processes import BenchmarkError
from benchmarks.report import Report

BENCHMARKS: dict[str, Callable[[Path], Report]] = {
    "pull": pull.measure,
    "limits": limits.measure,
    "shared": shared.measure,
    "faults": faults.measure,
    "peers": peers.measure,
    "scale": scale.measure,
    "integrations": integrations.measure,
    "publish": publish.measure,
    "findings": findings.measure,
    "capacity": capacity.measure,
    "cluster": cluster.measure,
}


def main() -> int:
    """Run the benchmarks named, or all; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    names = parser.parse_args().names or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"no benchmark is named {name!r}; there are: {', '.join(BENCHMARKS)}")
    missed = [name for name in names if not _holds(name)]
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def _holds(name: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        try:
            report = BENCHMARKS[name](Path(scratch))
        except BenchmarkError as error:
            print(f"## {name}\n\n- FAILED: {error}\n", flush=True)
            return False
    load = os.getloadavg()[0]
    print(
        f"{report}\n\nload of the machine's {os.cpu_count()} cores at the end: {load:.1f}\n",
        flush=True,
    )
    return report.holds


if __name__ == "__main__":
    sys.exit(main())
