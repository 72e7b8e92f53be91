"""The unit files and the Containerfile name existing commands, settings and files."""

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
PAGE = (ROOT / "docs" / "how-to" / "deploy.md").read_text()


def read_unit(unit: Path) -> dict[str, list[str]]:
    """Return the settings of a unit file, a list for each name."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def check_command(arguments: list[str]) -> None:
    """Parse a command with its options, without running it."""
    command = main.get_command(click.Context(main), arguments[0])
    assert command
    with click.Context(command) as context:
        command.parse_args(context, arguments[1:])


@pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)
def test_service_runs_an_existing_command(unit: Path) -> None:
    settings = read_unit(unit)
    (start,) = settings["ExecStart"]
    program, *arguments = shlex.split(start)
    assert (
        Path(program).name
        in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    )
    check_command(arguments)
    variables = dict(line.split("=", 1) for line in settings["Environment"])
    assert variables.keys() == {CONFIG_VARIABLE, HOME_VARIABLE}
    # systemd creates and opens only this directory.
    (state,) = settings["StateDirectory"]
    assert variables[HOME_VARIABLE] == f"/var/lib/{state}" == settings["WorkingDirectory"][0]
    (credential,) = settings["LoadCredential"]
    path = f"/run/credentials/{unit.name}/{credential.partition(':')[0]}"
    assert f'api_key_file = "{path}"' in unit.read_text()


def test_timer_starts_an_existing_service_at_usual_hours() -> None:
    (timer,) = FOLDER.glob("*.timer")
    assert timer.with_suffix(".service") in SERVICES
    assert read_unit(timer)["OnCalendar"] == ["*-*-* 00/12:17:00 UTC"]


def test_container_runs_and_copies_what_exists() -> None:
    text = (FOLDER / "Containerfile").read_text().replace("\\\n", " ")
    copied = re.findall(r"^COPY ([^-].*) \S+$", text, re.MULTILINE)
    assert copied
    assert all((ROOT / name).exists() for line in copied for name in line.split())
    assert re.search(r'^ENTRYPOINT \["jumpcloud-inventory"\]$', text, re.MULTILINE)
    (command,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    check_command(re.findall(r'"(.*?)"', command))
    assert f" {HOME_VARIABLE}=/data " in text
    assert f" {CONFIG_VARIABLE}=" in text


def test_page_links_every_file() -> None:
    for path in FOLDER.iterdir():
        assert path.is_dir() or f"](../deployment/{path.name})" in PAGE
