"""Virtual environments of the peers, made on first use and kept below `benchmarks/.venvs`."""

import subprocess
import sys
from pathlib import Path

from benchmarks.processes import BenchmarkError

HERE = Path(__file__).parent
INSTALL_SECONDS = 900


def environment_python(peer: str) -> Path:
    """The Python of a peer's environment, in which exactly `peers/<peer>.txt` is installed.

    Raises:
        BenchmarkError: it cannot be installed.
    """
    pins = HERE / "peers" / f"{peer}.txt"
    folder = HERE / ".venvs" / peer
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    if installed.exists() and installed.read_text() == pins.read_text():
        return python
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        # The pins are complete: nothing else may come along.
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
