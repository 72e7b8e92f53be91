"""The unit files and those of the container name existing commands, settings and files."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
from dagster_shared.yaml_utils import load_yaml_from_path

from assets_defs.cli.main import main
from pipelines.config.credentials import CREDENTIALS_VARIABLE
from pipelines.config.environment import CONFIG_VARIABLE, HOME_VARIABLE
from tests.support import ROOT

FOLDER = ROOT / "docs" / "deployment"
SERVICES = sorted(FOLDER.glob("*.service"))
PAGE = (ROOT / "docs" / "how-to" / "deploy.md").read_text()
CONTAINERFILE = (FOLDER / "Containerfile").read_text().replace("\\\n", " ")
SECRETS = "/run/secrets"


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
    assert f'api_key_credential = "{credential.partition(":")[0]}"' in unit.read_text()
    # The function for root's shell gets the same.
    (function,) = re.findall(r"^ +inventory\(\) \{\n(.+?)^ +\}", PAGE, re.MULTILINE | re.DOTALL)
    for name in ("User", "UMask", "LoadCredential", "EnvironmentFile"):
        assert f" -p {name}={settings[name][0]} " in function
    for variable in settings["Environment"]:
        assert f" -E {variable} " in function
    assert f" {program} " in function


def test_settings_name_keys_that_units_and_containers_have() -> None:
    units = {line for unit in SERVICES for line in read_unit(unit)["LoadCredential"]}
    names = {line.partition(":")[0] for line in units}
    assert set(re.findall(r'api_key_credential = "(.*?)"', PAGE)) == names
    assert set(re.findall(r"--secret ([^, ]+)", PAGE)) == names
    assert "/run/credentials/" not in PAGE


def test_timer_starts_an_existing_service_at_usual_hours() -> None:
    (timer,) = FOLDER.glob("*.timer")
    assert timer.with_suffix(".service") in SERVICES
    assert read_unit(timer)["OnCalendar"] == ["*-*-* 00/12:17:00 UTC"]


def test_container_runs_and_copies_what_exists() -> None:
    copied = re.findall(r"^COPY ([^-].*) \S+$", CONTAINERFILE, re.MULTILINE)
    assert copied
    assert all((ROOT / name).exists() for line in copied for name in line.split())
    sent = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert sorted(sent) == sorted(name for line in copied for name in line.split())
    assert re.search(r'^ENTRYPOINT \["jumpcloud-inventory"\]$', CONTAINERFILE, re.MULTILINE)
    (command,) = re.findall(r"^CMD (\[.*\])$", CONTAINERFILE, re.MULTILINE)
    check_command(re.findall(r'"(.*?)"', command))
    assert f" {HOME_VARIABLE}=/data " in CONTAINERFILE
    assert f" {CONFIG_VARIABLE}=" in CONTAINERFILE
    assert f" {CREDENTIALS_VARIABLE}={SECRETS}\n" in CONTAINERFILE


def test_compose_has_the_same_settings_as_the_image() -> None:
    path = FOLDER / "compose.yaml"
    compose = load_yaml_from_path(str(path))
    assert isinstance(compose, dict)
    (service,) = compose["services"].values()
    build = service["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()

    check_command(service["command"])
    options = dict(zip(service["command"][1::2], service["command"][2::2], strict=True))
    assert service["ports"] == [f"127.0.0.1:3000:{options['--port']}"]
    assert f"http://127.0.0.1:{options['--port']}/" in CONTAINERFILE

    (config,) = re.findall(rf" {CONFIG_VARIABLE}=(\S+)", CONTAINERFILE)
    folder = str(Path(config).parent)
    ((volume, description),) = compose["volumes"].items()
    assert service["volumes"] == [f"{folder}:{folder}:ro", f"{volume}:/data"]
    assert service["secrets"] == list(compose["secrets"])
    for name in service["secrets"]:
        assert compose["secrets"][name] == {"file": f"{folder}/{name}"}
        assert f'api_key_credential = "{name}"' in path.read_text()

    # The page has the same for podman alone.
    (run,) = re.findall(r"podman run (--detach .+?)\n\n", PAGE, re.DOTALL)
    for words in (
        f"-p {service['ports'][0]}",
        f"-v {service['volumes'][0]}",
        f"-v {description['name']}:/data",
        f"{service['image']} {' '.join(service['command'])}",
    ):
        assert words in run


def test_page_links_every_file() -> None:
    for path in FOLDER.iterdir():
        assert path.is_dir() or f"](../deployment/{path.name})" in PAGE
