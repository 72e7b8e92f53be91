"""Run work in child processes that are killed or fail; see `killed_child.py`."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import PIPE, Popen


@dataclass(frozen=True)
class Work:
    """The work of a child, and the moment at which it is killed.

    Attributes:
        home: The data directory.
        stage: Folder with the tables of a pull to publish; None for the whole command `run`.
        days_later: Number of days from today to the day of the pull.
        kill_at: Number of the file operation before which the child is killed.
        kill_beyond: File size in bytes at which the kernel kills the child during a write.
        refuse_beyond: File size in bytes at which writes fail.
        obeys_modes: If True, file modes apply to the child even if it is root.
        log: File for the operations, one per line.
    """

    home: str
    stage: str | None = None
    days_later: int = 0
    kill_at: int | None = None
    kill_beyond: int | None = None
    refuse_beyond: int | None = None
    obeys_modes: bool = False
    log: str | None = None


class Children:
    """A process that does each work in a child of its own."""

    def __init__(self, process: "Popen[str]", output: Path) -> None:
        self._process = process
        self._path = output
        self.folder = output.parent

    @property
    def process_id(self) -> int:
        return self._process.pid

    def messages(self) -> str:
        """Return the messages that the children have written."""
        return self._path.read_text()

    def do(self, work: Work) -> int:
        """Do the work in a child; return its exit code, or the negative signal that ended it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(work)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def children(
    environment: dict[str, str], output: Path, launcher: Sequence[str] = ()
) -> Iterator[Children]:
    """Start the process with the launcher. Messages of children go to the file `output`."""
    with (
        output.open("w") as file,
        Popen(
            [*launcher, sys.executable, str(Path(__file__).with_name("killed_child.py"))],
            env=environment,
            stdin=PIPE,
            stdout=PIPE,
            stderr=file,
            text=True,
        ) as process,
    ):
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield Children(process, output)
        assert process.stdin
        process.stdin.close()
