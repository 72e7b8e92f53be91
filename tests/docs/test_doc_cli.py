"""docs/reference/cli.md has every command and option, and no page has an unknown one."""

import re
from collections.abc import Iterator

import click
import pytest

from assets_defs.cli.main import COMMANDS, main
from tests.support import ROOT

PAGE = ROOT / "docs" / "reference" / "cli.md"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
OPTION = re.compile(r"--[a-z][a-z-]*")
INVOCATION = re.compile(r"jumpcloud-inventory ([a-z]+)\b([^\n`]*)")


def option_names(name: str) -> set[str]:
    """Return each spelling of each option, of a group of commands those of its commands."""
    command = main.get_command(click.Context(main), name)
    assert command
    commands = command.commands.values() if isinstance(command, click.Group) else [command]
    return {
        name
        for one in commands
        for parameter in one.params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


def sections() -> dict[str, str]:
    """Return the page's text of each command."""
    parts = PAGE.read_text().split("\n## `")[1:]
    return {re.split(r"[ `]", part, maxsplit=1)[0]: part for part in parts}


def invocations() -> Iterator[tuple[str, str, set[str]]]:
    """Yield page, command and options of each call in the docs."""
    for page in PAGES:
        for command, arguments in INVOCATION.findall(page.read_text()):
            yield page.name, command, set(OPTION.findall(arguments))


def test_page_has_every_command() -> None:
    assert sections().keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_page_has_every_option(name: str) -> None:
    rows = [line for line in sections()[name].splitlines() if line.startswith("| `--")]
    documented = {option for row in rows for option in OPTION.findall(row.split(" | ")[0])}
    assert documented == option_names(name)


def test_pages_have_no_unknown_command_or_option() -> None:
    uses = list(invocations())
    assert len(uses) > 10
    wrong = [
        (page, command, options)
        for page, command, options in uses
        if command not in COMMANDS or not options <= option_names(command)
    ]
    assert wrong == []
