"""Has a run's work done in children that die or fail as told; see `killed_child.py`."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from subprocess import PIPE, Popen


@dataclass(frozen=True)
class Work:
    """What a child does, and when it dies.

    Attributes:
        home: the data directory.
        stage: folder of the tables of a pull, to be published; None for the whole command `run`.
        days_later: number of days from today on which these tables were pulled.
        kill_at: number of the operation on the data directory's files before which it is killed.
        kill_beyond: size in bytes of a file at which the kernel ends the child within a write.
        refuse_beyond: size in bytes at which a file takes no more.
        obeys_modes: whether it may write only what the files' modes allow, even if it is root.
        log: file for the operations, one a line.
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
    """Has work done in children of a process of its own."""

    def __init__(self, process: "Popen[str]", said: Path) -> None:
        self._process = process
        self._said = said
        self.folder = said.parent

    @property
    def process_id(self) -> int:
        return self._process.pid

    def said(self) -> str:
        """What the children wrote so far."""
        return self._said.read_text()

    def do(self, work: Work) -> int:
        """The child's exit code; below zero the signal that ended it."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(asdict(work)) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def children(
    environment: dict[str, str], said: Path, launcher: Sequence[str] = ()
) -> Iterator[Children]:
    """Start the process, by the launcher; what children say goes to the file `said`."""
    with (
        said.open("w") as file,
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
        yield Children(process, said)
        assert process.stdin
        process.stdin.close()
