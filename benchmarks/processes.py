"""Runs one process to its end, and says what it and its children cost."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.1
# No reader may take the machine's memory from others: more than this is a failure.
MAX_BYTES = 6 * 1024**3
QUOTED_LINES = 20


class BenchmarkError(Exception):
    """A process failed, or took more time or memory than it may."""


@dataclass(frozen=True)
class Usage:
    """What a process cost, its children included.

    Attributes:
        seconds: from its start to its end.
        cpu_seconds: user and system.
        peak_bytes: most resident memory at one time; of a process that forks, the sum over all.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    timeout_seconds: float,
    exit_code: int = 0,
) -> Usage:
    """Run a command in a process group of its own.

    Args:
        command: program and arguments.
        environment: added to ours.
        log: takes what it prints.
        timeout_seconds: after which it is ended.
        exit_code: with which it must end.

    Raises:
        BenchmarkError: it failed, took too long or too much memory; what it printed last is quoted.
    """
    started = time.monotonic()
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        peak = _wait(process.pid, started + timeout_seconds)
    finally:
        seconds = time.monotonic() - started
        _end_group(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != exit_code:
        lines = log.read_text(errors="replace").splitlines()[-QUOTED_LINES:]
        quoted = "\n".join(lines)
        raise BenchmarkError(f"{command[0]} ended with {process.returncode}:\n{quoted}")
    return Usage(seconds, usage.ru_utime + usage.ru_stime, peak)


def _wait(pid: int, deadline: float) -> int:
    """Wait for the end of a process, not yet reaping it; the most memory that its tree had.

    The kernel's own record of a process's peak is exact, but `ru_maxrss` is not that record: it
    starts with the size of the parent. What several processes have at one time is sampled.
    """
    peak = 0
    descriptor = os.pidfd_open(pid)
    try:
        while not select.select([descriptor], [], [], SAMPLE_SECONDS)[0]:
            each = [_memory(process) for process in _tree(pid)]
            peak = max(peak, sum(now for now, _ in each), *(most for _, most in each))
            if peak > MAX_BYTES:
                raise BenchmarkError(f"took more than {MAX_BYTES >> 30} GiB and was ended")
            if time.monotonic() > deadline:
                raise BenchmarkError("took too long and was ended")
    finally:
        os.close(descriptor)
    return peak


def _end_group(pid: int) -> None:
    """End what is left of the process group that our own child leads."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _tree(pid: int) -> list[int]:
    """The process and all its descendants."""
    children: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += map(int, listing.read_text().split())
        except OSError:
            continue
    return [pid, *(each for child in children for each in _tree(child))]


def _memory(pid: int) -> tuple[int, int]:
    """Resident bytes of a process now, and at most so far."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    sizes = dict(line.split(":", 1) for line in status.splitlines())
    now, most = (int(sizes.get(name, "0 kB").split()[0]) for name in ("VmRSS", "VmHWM"))
    return now * 1024, most * 1024
