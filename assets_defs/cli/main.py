"""The command `jumpcloud-inventory`: each of its commands is imported when it is called."""

import atexit
import gc
import io
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

import click

# The first sentence of each command's help, so that listing the commands imports none of them.
COMMANDS: Mapping[str, str] = {
    "accept": "Let the next run publish the mass removal that stopped the last run of NAME.",
    "add": "Add an integration to the settings file, and check its connection.",
    "alert": "Send a test notice through a target of the settings, and print the result.",
    "check": "Check the connection of integrations: those NAMED, or all that are enabled.",
    "combine": "Combine what each integration published to an object store into one file.",
    "demo": "Pull a simulated organization; needs no key.",
    "diff": "Print what changed: from a snapshot to the latest, or to another SNAPSHOT.",
    "disable": "Let the schedule skip integration NAME; what it published stays.",
    "enable": "Let the schedule run integration NAME.",
    "export": "Write TABLES and views of the inventory as files; without a name, all tables.",
    "fetch": "Download the DuckDB file of integration NAME, or of all, from an object store.",
    "findings": "Report the open findings of the published inventory: those NAMED, or all.",
    "forget": "Remove integration NAME, which is no longer in the settings, with all its history.",
    "rebuild": "Build the DuckDB file and its report again from the history.",
    "rename": "Give the history of integration OLD to NEW, its name in the settings now.",
    "review": "Review who has access: workbooks, the decisions in them, and what came of these.",
    "run": "Pull and publish integrations: those NAMED, or all that are enabled.",
    "sql": "Answer an SQL QUERY about the published inventory; - reads it from standard input.",
    "status": "Show integrations: those NAMED, or all; their runs, and what they published last.",
    "ui": "Open the Dagster UI, with the schedules running; without settings, on the demo.",
    "verify": "Verify the files of integrations: those NAMED, or all, with their whole history.",
}
INTERRUPTED = 130  # what a shell reports after Ctrl-C
GARBAGE_OBJECTS = 100_000  # Python's own 700 take 6 % of the time of a small run
# A command is in the file of its name, except these.
_MODULES = {"combine": "object_store", "disable": "enable", "fetch": "object_store"}


class LazyGroup(click.Group):
    """A group of commands that imports only the one that is called."""

    def __call__(self, *args: object, **kwargs: object) -> None:
        """Run the command of this process."""
        # Dagster has half a million objects that stay, among which Python looks for garbage.
        gc.set_threshold(GARBAGE_OBJECTS)
        codes = [1]
        # The first one that is registered is called last.
        atexit.register(_end_process, codes)
        try:
            super().__call__(*args, **kwargs)
        except SystemExit as end:
            codes[0] = end.code if isinstance(end.code, int) else int(end.code is not None)
            raise

    def invoke(self, ctx: click.Context) -> object:
        """Call the command; Ctrl-C ends it with the exit code of an interruption."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)

    def list_commands(self, _: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, _: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"assets_defs.cli.commands.{_MODULES.get(cmd_name, cmd_name)}")
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, _: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _end_process(codes: Sequence[int]) -> None:
    """End the process without freeing each module, which takes half a second."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(codes[0])


@click.group(cls=LazyGroup)
@click.version_option(package_name="jumpcloud-inventory")
def main() -> None:
    """Pull a complete, read-only inventory of JumpCloud organizations into one DuckDB file."""
    # A terminal without UTF-8 shows other letters as escapes.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
