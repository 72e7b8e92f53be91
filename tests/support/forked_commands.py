"""Run commands of `jumpcloud-inventory`, each in a forked process.

Everything is imported before the fork, without regard to the environment. Each command has its own
process, folder and environment, but does not start Python and Dagster again.
"""

import atexit
import gc
import json
import os
import sys
import tempfile
import threading

import click
import dagster as dg

from assets_defs.cli.main import COMMANDS, main


def _serve() -> None:
    for name in COMMANDS:
        main.get_command(click.Context(main), name)
    with tempfile.TemporaryDirectory() as home, dg.DagsterInstance.local_temp(home) as instance:
        instance.get_runs_count()
    # A collection in a child must not copy the memory that it shares with this process.
    gc.collect()
    gc.freeze()
    answers = os.fdopen(os.dup(1), "w")
    answers.write("ready\n")
    answers.flush()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run(**json.loads(line))
        _, status = os.waitpid(child, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


def _run(
    arguments: list[str], folder: str, environment: dict[str, str], out: str, errors: str
) -> None:
    """Run the command, and end this process."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in ((1, out), (2, errors)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["jumpcloud-inventory", *arguments]
    try:
        main()
    except SystemExit:
        # What Python does at its end. The last function ends the process.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()


if __name__ == "__main__":
    _serve()
