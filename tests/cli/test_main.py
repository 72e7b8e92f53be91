"""The group of commands: each is imported when it is called, and Dagster only where it is used."""

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from assets_defs.cli.main import COMMANDS, main
from pipelines.simulator import Sizes, generate
from pipelines.simulator.api.server import Server
from tests.support import ROOT
from tests.support.cli import Installation
from tests.support.publisher import Publisher, Pulled, on_day

TINY = Sizes(systems=3, users=2, system_groups=1, user_groups=1, applications=1)
# Refuses to import Dagster, as where it is not installed.
WITHOUT_DAGSTER = """
import sys
from importlib.abc import MetaPathFinder
class Absent(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in {"dagster", "dagster_webserver", "dagster_shared"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""
COMMAND = """
from assets_defs.cli.main import main
try:
    main(prog_name="jumpcloud-inventory")
finally:
    print(sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


@pytest.fixture
def published(
    installation: Installation, serve: Callable[..., Server], pull: Callable[..., Pulled]
) -> Installation:
    organization = generate(1, TINY)
    installation.set_integrations(acme=serve(organization))
    for day, name in enumerate(("first", "部長")):
        organization.add_user(username=name)
        Publisher(installation.data).publish(on_day(day, pull(organization)))
    return installation


def run_without_dagster(
    installation: Installation, *arguments: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_DAGSTER + COMMAND, *arguments],
        cwd=installation.folder,
        env=installation.environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_commands_that_read_need_no_dagster(published: Installation) -> None:
    loaded = {}
    for arguments in (
        ("--help",),
        ("sql", "SELECT count(*) FROM users"),
        ("diff",),
        ("findings",),
        ("verify",),
        ("export", "--format", "csv"),
        ("disable", "acme"),
        ("enable", "acme"),
    ):
        done = run_without_dagster(published, *arguments)
        assert done.returncode == 0, (arguments, done.stderr)
        loaded[arguments[0]] = done.stderr.splitlines()[-1]
        assert "'dagster'" not in loaded[arguments[0]]
    assert not [name for name in ("duckdb", "pyarrow", "pydantic") if name in loaded["--help"]]
    assert "pyarrow" not in loaded["sql"]
    assert "部長" in run_without_dagster(published, "diff").stdout
    published.environment["PYTHONIOENCODING"] = "latin-1"
    assert "\\u90e8\\u9577" in run_without_dagster(published, "diff").stdout
    refused = run_without_dagster(published, "fetch").stderr
    assert "is in a directory of this machine already" in refused
    assert "pyarrow" not in refused.splitlines()[-1]


def test_a_command_that_runs_needs_dagster(published: Installation) -> None:
    done = run_without_dagster(published, "status")
    assert "No module named 'dagster'" in done.stderr


def test_open_inventory_needs_no_dagster(published: Installation) -> None:
    code = """
from pipelines import open_inventory
with open_inventory(sys.argv[1]) as inventory:
    print(inventory.sql("SELECT count(*) FROM users").fetchall())
import pipelines
assert not hasattr(pipelines, "open_nothing")
"""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_DAGSTER + code, str(published.file)],
        env=published.environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"[({TINY.users + 2},)]\n", done.stderr


def test_help_lists_each_command_with_its_first_sentence() -> None:
    listed = CliRunner().invoke(main, ["--help"], terminal_width=200).stdout
    files = {path.stem for path in Path(ROOT, "assets_defs", "cli", "commands").glob("*.py")}
    for name, summary in COMMANDS.items():
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert command.name == name
        assert str(command.help).partition("\n\n")[0] == summary
        assert any(line.split() == [name, *summary.split()] for line in listed.splitlines())
    assert files >= COMMANDS.keys() - {"combine", "disable", "fetch"}


def test_an_unknown_command_is_refused() -> None:
    done = CliRunner().invoke(main, ["puppy"])
    assert done.exit_code == 2
    assert "No such command 'puppy'" in done.stderr


def test_version_is_that_of_the_package() -> None:
    done = CliRunner().invoke(main, ["--version"], prog_name="jumpcloud-inventory")
    assert done.stdout == f"jumpcloud-inventory, version {version('jumpcloud-inventory')}\n"


@pytest.mark.parametrize("character", ["%", "?"])
def test_data_directory_that_dagster_cannot_use_is_refused(
    character: str, installation: Installation
) -> None:
    folder = installation.folder / f"a{character}b"
    done = installation.run("run", "--data-dir", str(folder), JUMPCLOUD_API_KEY="k")
    assert done.returncode == 2
    assert f"{folder} cannot be used: Dagster's database takes % and ?" in done.stderr
    assert not folder.exists()


def test_ui_names_the_address_that_it_cannot_listen_on(installation: Installation) -> None:
    done = installation.run("ui", "--host", "203.0.113.9", JUMPCLOUD_API_KEY="k")
    assert done.returncode == 1
    assert "the UI cannot listen on 203.0.113.9: Cannot assign requested address" in done.stderr
    done = installation.run("ui", "--host", "localhost")
    assert done.returncode == 2


def test_ui_with_wrong_settings_leaves_nothing_behind(installation: Installation) -> None:
    settings = installation.folder / "wrong.toml"
    settings.write_text('[[integration]]\nname = "acme"\nregio = "eu"\n')
    done = installation.run("ui", "--config", str(settings))
    assert done.returncode == 2
    assert "did you mean 'region'?" in done.stderr
    assert not installation.data.exists()
