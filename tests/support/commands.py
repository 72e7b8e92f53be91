"""Run commands of `jumpcloud-inventory` in forked processes; see `forked_commands.py`."""

import json
import os
import select
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

SECONDS = 300


def user_environment() -> dict[str, str]:
    """Return the variables that every user has, without keys and settings."""
    kept = ("PATH", "HOME", "PYTHONPATH", "TMPDIR")
    return {name: value for name, value in os.environ.items() if name in kept}


class Commands:
    """The process that forks commands; it is started by the first one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(
        self, arguments: Sequence[str], folder: Path, environment: dict[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command; return its exit code and output."""
        process = self._started()
        assert process.stdin
        with tempfile.TemporaryDirectory() as said:
            out, errors = Path(said, "out"), Path(said, "errors")
            work = {"arguments": arguments, "folder": str(folder), "environment": environment}
            process.stdin.write(json.dumps(work | {"out": str(out), "errors": str(errors)}) + "\n")
            process.stdin.flush()
            code = int(self._answer(process))
            return subprocess.CompletedProcess(arguments, code, out.read_text(), errors.read_text())

    def end(self) -> None:
        """End the process, if there is one."""
        if self._process:
            self._process.communicate(timeout=SECONDS)

    def _started(self) -> "subprocess.Popen[str]":
        if not self._process:
            program = Path(__file__).with_name("forked_commands.py")
            self._process = subprocess.Popen(
                [sys.executable, str(program)],
                env=user_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            assert self._answer(self._process) == "ready\n"
        return self._process

    @staticmethod
    def _answer(process: "subprocess.Popen[str]") -> str:
        assert process.stdout
        ready, _, _ = select.select([process.stdout], [], [], SECONDS)
        assert ready, "the command does not end"
        return process.stdout.readline()
