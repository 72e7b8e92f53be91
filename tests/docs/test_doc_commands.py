"""docs/commands.md names every command and option, and no page one that there is not."""

import re
from collections.abc import Iterator

import click
import pytest

from assets_defs.cli.main import COMMANDS, main
from tests.support import ROOT

PAGE = ROOT / "docs" / "commands.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OPTION = re.compile(r"--[a-z][a-z-]*")
INVOCATION = re.compile(r"jumpcloud-inventory ([a-z]+)\b([^\n`]*)")


def options_of(name: str) -> set[str]:
    """Each way to write each option."""
    command = main.get_command(click.Context(main), name)
    assert command
    return {
        name
        for parameter in command.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


def sections() -> dict[str, str]:
    """The page's text of each command."""
    parts = PAGE.read_text().split("\n## `")[1:]
    return {re.split(r"[ `]", part, maxsplit=1)[0]: part for part in parts}


def invocations() -> Iterator[tuple[str, str, set[str]]]:
    """Page, command and options of each use of the command."""
    for page in PAGES:
        for command, arguments in INVOCATION.findall(page.read_text()):
            yield page.name, command, set(OPTION.findall(arguments))


def test_the_page_has_every_command() -> None:
    assert sections().keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_the_page_has_every_option(name: str) -> None:
    rows = [line for line in sections()[name].splitlines() if line.startswith("| `--")]
    said = {option for row in rows for option in OPTION.findall(row.split(" | ")[0])}
    assert said == options_of(name)


def test_no_page_names_a_command_or_option_that_there_is_not() -> None:
    uses = list(invocations())
    assert len(uses) > 10
    wrong = [
        (page, command, options)
        for page, command, options in uses
        if command not in COMMANDS or not options <= options_of(command)
    ]
    assert wrong == []
