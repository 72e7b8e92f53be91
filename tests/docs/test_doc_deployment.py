"""The unit files and the Containerfile name commands, settings and files that there are."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from assets_defs.cli.main import main
from pipelines.config.environment import CONFIG_VARIABLE, HOME_VARIABLE
from tests.support import ROOT

FOLDER = ROOT / "docs" / "deployment"
SERVICES = sorted(FOLDER.glob("*.service"))
PAGE = (ROOT / "docs" / "deployment.md").read_text()


def settings_of(unit: Path) -> dict[str, list[str]]:
    """What a unit file says, a list for each name."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def assert_is_a_command(words: list[str]) -> None:
    """Click takes these words as a command with its options, without running it."""
    command = main.get_command(click.Context(main), words[0])
    assert command
    with click.Context(command) as context:
        command.parse_args(context, words[1:])


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_a_service_runs_a_command_that_there_is(unit: Path) -> None:
    said = settings_of(unit)
    (start,) = said["ExecStart"]
    program, *words = shlex.split(start)
    assert (
        Path(program).name
        in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    )
    assert_is_a_command(words)
    variables = dict(each.split("=", 1) for each in said["Environment"])
    assert variables.keys() == {CONFIG_VARIABLE, HOME_VARIABLE}
    # systemd makes and opens this directory, and no other.
    (state,) = said["StateDirectory"]
    assert variables[HOME_VARIABLE] == f"/var/lib/{state}" == said["WorkingDirectory"][0]
    (credential,) = said["LoadCredential"]
    path = f"/run/credentials/{unit.name}/{credential.partition(':')[0]}"
    assert f'api_key_file = "{path}"' in unit.read_text()


def test_the_timer_starts_a_service_that_is_there_at_the_usual_hours() -> None:
    (timer,) = FOLDER.glob("*.timer")
    assert timer.with_suffix(".service") in SERVICES
    assert settings_of(timer)["OnCalendar"] == ["*-*-* 00/12:17:00 UTC"]


def test_the_container_runs_a_command_that_there_is_and_copies_files_that_there_are() -> None:
    text = (FOLDER / "Containerfile").read_text().replace("\\\n", " ")
    copied = re.findall(r"^COPY ([^-].*) \S+$", text, re.MULTILINE)
    assert copied
    assert all((ROOT / name).exists() for line in copied for name in line.split())
    assert re.search(r'^ENTRYPOINT \["jumpcloud-inventory"\]$', text, re.MULTILINE)
    (words,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    assert_is_a_command(re.findall(r'"(.*?)"', words))
    assert f" {HOME_VARIABLE}=/data " in text
    assert f" {CONFIG_VARIABLE}=" in text


def test_the_page_names_every_file() -> None:
    for path in FOLDER.iterdir():
        assert path.is_dir() or f"](deployment/{path.name})" in PAGE
