"""Run measured processes, in environments of their own where needed, and report the results."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024
GIB = 1024 * MIB
HERE = Path(__file__).parent
INSTALL_SECONDS = 900
SAMPLE_SECONDS = 0.1
# A reader that takes more than this would take the machine's memory from others.
MAX_BYTES = 6 * GIB
QUOTED_LINES = 20


class BenchmarkError(Exception):
    """A process failed, or exceeded its time or memory."""


@dataclass(frozen=True)
class Usage:
    """The cost of a process and its children.

    Attributes:
        seconds: Time from start to end.
        cpu_seconds: User and system time.
        peak_bytes: Peak resident memory, summed over all processes of the tree.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True)
class Goal:
    """A bound on a measured number.

    Attributes:
        name: What is measured.
        measured: The number.
        bound: The largest allowed number.
        unit: Written after both numbers.
        at_least: Treat the bound as the smallest allowed number instead.
    """

    name: str
    measured: float
    bound: float
    unit: str = ""
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Return whether the goal is reached."""
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def __str__(self) -> str:
        """Return one line of Markdown."""
        sign = "≥" if self.at_least else "≤"
        verdict = "holds" if self.holds else "MISSED"
        measured = f"{self.measured:.4g}{self.unit}"
        return f"- {verdict}: {self.name}: {measured} (goal {sign} {self.bound:g}{self.unit})"


@dataclass(frozen=True)
class Report:
    """The outcome of one benchmark."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    goals: Sequence[Goal]
    notes: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        """Return whether every goal is reached."""
        return all(goal.holds for goal in self.goals)

    def __str__(self) -> str:
        """Return a Markdown section."""
        rule = ["---", *["---:"] * (len(self.columns) - 1)]
        table = [f"| {' | '.join(row)} |" for row in (self.columns, rule, *self.rows)]
        parts = ([f"## {self.title}"], table, self.notes, map(str, self.goals))
        return "\n\n".join(filter(None, map("\n".join, parts)))


def times(ratio: float) -> str:
    """Format a ratio."""
    return f"{ratio:.2f} x"


def mib(number: int) -> str:
    """Format bytes as MiB."""
    return f"{number / MIB:,.0f} MiB"


def run(
    command: Sequence[str], environment: Mapping[str, str], log: Path, timeout_seconds: float
) -> Usage:
    """Run a command in a process group of its own.

    Args:
        command: Program and arguments.
        environment: Variables added to those of this process.
        log: File that takes the output.
        timeout_seconds: Time after which the command is killed.

    Raises:
        BenchmarkError: The command failed or exceeded its time or memory. The message quotes the
            end of the output.
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
        _kill_group(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        quoted = "\n".join(log.read_text(errors="replace").splitlines()[-QUOTED_LINES:])
        raise BenchmarkError(f"{command[0]} ended with {process.returncode}:\n{quoted}")
    return Usage(seconds, usage.ru_utime + usage.ru_stime, peak)


def environment_python(peer: str) -> Path:
    """Return the Python of a peer's environment, which is created on first use.

    Exactly the pins of `peers/<peer>.txt` are installed, below `benchmarks/.venvs`.

    Raises:
        BenchmarkError: The installation failed.
    """
    pins = HERE / "peers" / f"{peer}.txt"
    folder = HERE / ".venvs" / peer
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    if installed.exists() and installed.read_text() == pins.read_text():
        return python
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        # The pins are complete, so pip must not resolve anything.
        [*pip, "--no-deps", "--requirement", str(pins)],
    ]
    for command in commands:
        done = subprocess.run(
            command, check=False, timeout=INSTALL_SECONDS, capture_output=True, text=True
        )
        if done.returncode:
            raise BenchmarkError(f"{peer} cannot be installed:\n{done.stderr}")
    installed.write_text(pins.read_text())
    return python


def _wait(pid: int, deadline: float) -> int:
    """Wait for the end of a process without reaping it, and return its tree's peak memory.

    The kernel's record of a process's peak (`VmHWM`) is exact, but `ru_maxrss` starts with the size
    of the parent. The sum over several processes is sampled.
    """
    peak = 0
    descriptor = os.pidfd_open(pid)
    try:
        while not select.select([descriptor], [], [], SAMPLE_SECONDS)[0]:
            sizes = [_memory(process) for process in _tree(pid)]
            peak = max(peak, sum(now for now, _ in sizes), *(highest for _, highest in sizes))
            if peak > MAX_BYTES:
                raise BenchmarkError(f"took more than {MAX_BYTES >> 30} GiB and was killed")
            if time.monotonic() > deadline:
                raise BenchmarkError("took too long and was killed")
    finally:
        os.close(descriptor)
    return peak


def _kill_group(pid: int) -> None:
    """Kill the rest of the process group that our own child leads."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _tree(pid: int) -> list[int]:
    """Return the ids of the process and all its descendants."""
    children: list[int] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children += map(int, listing.read_text().split())
        except OSError:
            continue
    return [pid, *(process for child in children for process in _tree(child))]


def _memory(pid: int) -> tuple[int, int]:
    """Return the current and the peak resident bytes of a process."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    sizes = dict(line.split(":", 1) for line in status.splitlines())
    now, highest = (int(sizes.get(name, "0 kB").split()[0]) for name in ("VmRSS", "VmHWM"))
    return now * 1024, highest * 1024
