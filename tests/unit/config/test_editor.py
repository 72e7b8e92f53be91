"""Edits of the settings file by `add`, `enable` and `disable`."""

import os
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from assets_defs.cli.main import main
from pipelines.config.editor import append_integration, set_enabled
from pipelines.config.integration import Integration
from pipelines.config.schedule import Schedule
from pipelines.config.settings import load_settings
from pipelines.simulator import Provider, Server, Sizes, generate
from tests.support.cli import KEY_VARIABLE

SMALL = Sizes(systems=6, users=5, system_groups=2, user_groups=1, applications=1)
KEY = "jca_0123456789abcdef0123456789abcdef0123"
FILE = """\
# What we pull; ask Ada before you change it.
max_parallel_runs = 3   # two are not enough

# The first one.
[[integration]]
name = "one"            # as in the contract
region = "eu"

[integration.schedule]
cron = "0 * * * *"

# The second one.
[[integration]]   # since May
name = 'two'
enabled = true    # may be switched off

# How long it is kept.
[keep_snapshots]
all_for_days = 3

# The third one comes late.
[[integration]]
name = "three"

# The end.
"""


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("JUMPCLOUD_INVENTORY_CONFIG", raising=False)
    return tmp_path / "integrations.toml"


@pytest.fixture
def command(path: Path) -> Callable[..., Result]:
    def run(*arguments: str, answers: list[str] | None = None) -> Result:
        typed = "".join(f"{answer}\n" for answer in answers or [])
        return CliRunner().invoke(
            main, [arguments[0], "--config", str(path), *arguments[1:]], input=typed
        )

    return run


def switches(path: Path) -> dict[str, bool]:
    return {entry.name: entry.enabled for entry in load_settings(path).integration}


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("name", ["one", "two", "three"])
def test_enable_and_disable_change_one_line(
    name: str, line_end: str, path: Path, command: Callable[..., Result]
) -> None:
    before = FILE.replace("\n", line_end)
    path.write_bytes(before.encode())
    path.chmod(0o640)
    owner = (4321, 1234) if os.geteuid() == 0 else (os.getuid(), os.getgroups()[-1])
    os.chown(path, *owner)
    done = command("disable", name)
    assert (done.exit_code, done.output) == (0, f"{name}: disabled\n")
    assert switches(path) == {"one": True, "two": True, "three": True} | {name: False}
    lines, now = before.split(line_end), path.read_bytes().decode().split(line_end)
    assert len([line for line in now if line not in lines]) == 1
    gone = [line for line in lines if line not in now]
    assert gone == (["enabled = true    # may be switched off"] if name == "two" else [])
    kept = path.stat()
    assert kept.st_mode & 0o777 == 0o640
    assert (kept.st_uid, kept.st_gid) == owner

    assert command("disable", name).output == f"{name}: is already disabled\n"
    assert command("enable", name).output == f"{name}: enabled\n"
    assert all(switches(path).values())
    if name == "two":
        assert path.read_bytes().decode() == before


def test_symlink_to_settings_is_kept(path: Path, command: Callable[..., Result]) -> None:
    real = path.with_name("real.toml")
    real.write_text(FILE)
    path.symlink_to(real)
    assert command("disable", "one").exit_code == 0
    assert path.is_symlink()
    assert switches(real)["one"] is False


def test_inline_integrations_must_be_edited_by_hand(
    path: Path, command: Callable[..., Result]
) -> None:
    text = 'integration = [{name = "one"}, {name = "two"}]\n'
    path.write_text(text)
    done = command("disable", "two")
    assert done.exit_code == 2
    assert "write `enabled = false` for integration 'two' by hand" in done.output
    done = command("add", *OPTIONS)
    assert done.exit_code == 2
    assert "write each as [[integration]]" in done.output
    assert path.read_text() == text


def test_missing_final_newline_is_added(path: Path, command: Callable[..., Result]) -> None:
    path.write_text('[[integration]]\nname = "one"')
    assert command("disable", "one").exit_code == 0
    assert path.read_text() == '[[integration]]\nname = "one"\nenabled = false\n'


def test_text_that_looks_like_an_entry_is_not_edited(
    path: Path, command: Callable[..., Result]
) -> None:
    text = '[[integration]]\nname = "one"\ndescription = """\n[[integration]]\n"""\n'
    path.write_text(f'{text}[[integration]]\nname = "two"\n')
    done = command("disable", "two")
    assert done.exit_code == 2
    assert "by hand" in done.output
    assert path.read_text() == f'{text}[[integration]]\nname = "two"\n'


def test_enable_needs_existing_file_and_name(path: Path, command: Callable[..., Result]) -> None:
    done = CliRunner().invoke(main, ["enable", "one"])
    assert done.exit_code == 2
    assert "no settings file is named; name one with --config" in done.output
    assert "cannot be read" in command("enable", "one").output
    path.write_text(FILE)
    done = command("enable", "four")
    assert done.exit_code == 2
    assert "no integration is named 'four'; there are: one, two, three" in done.output
    assert path.read_text() == FILE


FORM = (
    *("--type", "jumpcloud", "--scope", "cloud", "--name", "acme", "--description", "Acme"),
    *("--enabled", "--region", "in"),
)
OPTIONS = (*FORM, "--api-key-env", "ACME_KEY")


def test_add_prompts_for_fields_and_checks_connection(
    path: Path, command: Callable[..., Result], serve: Callable[..., Server]
) -> None:
    path.write_text(FILE)
    server = serve(generate(sizes=SMALL))
    answers = ["", "", "Acme!", "acme", 'Acme "production" ü', "y", "eu", KEY_VARIABLE]
    done = command("add", "--base-url", server.base_url, answers=answers)
    assert done.exit_code == 0, done.output
    assert "must be 1 to 64 lower-case letters" in done.output
    assert "acme: a run would work" in done.output
    assert path.read_text().startswith(FILE)
    assert load_settings(path).named("acme") == Integration(
        name="acme",
        description='Acme "production" ü',
        region="eu",
        api_key_env=KEY_VARIABLE,
        base_url=server.base_url,
    )
    assert server.writes == []


def test_add_creates_file_and_prints_next_steps(path: Path, command: Callable[..., Result]) -> None:
    done = command("add", *OPTIONS)
    assert done.exit_code == 0, done.output
    assert "the environment variable ACME_KEY is not set" in done.output
    assert "jumpcloud-inventory check acme" in done.output
    assert f"export JUMPCLOUD_INVENTORY_CONFIG={path}" in done.output
    assert tomllib.loads(path.read_text()) == {
        "integration": [
            {
                "name": "acme",
                "description": "Acme",
                "type": "jumpcloud",
                "scope": "cloud",
                "enabled": True,
                "region": "in",
                "api_key_env": "ACME_KEY",
            }
        ]
    }


def test_add_prompts_for_key_variable_and_proxy(path: Path, command: Callable[..., Result]) -> None:
    answers = ["jumpcloud", "on_premise", "acme-2", "", "n", "", "", "http://proxy.example:3128"]
    done = command("add", answers=[*answers, ""])
    assert done.exit_code == 0, done.output
    acme = load_settings(path).named("acme-2")
    assert acme.api_key_env == "JUMPCLOUD_API_KEY_ACME_2"
    assert (acme.scope, acme.proxy, acme.enabled) == ("on_premise", answers[-1], False)


def test_add_accepts_service_account_schedule_and_discovery(
    path: Path, command: Callable[..., Result]
) -> None:
    named = ("--client-id-env", "ACME_ID", "--client-secret-env", "ACME_SECRET")
    when = ("--cron", "30 6 * * 1-5", "--timezone", "Europe/Berlin")
    done = command("add", *FORM, *named, *when, "--discover-organizations")
    assert done.exit_code == 0, done.output
    assert "the environment variable ACME_ID is not set" in done.output
    assert load_settings(path).named("acme") == Integration(
        name="acme",
        description="Acme",
        region="in",
        client_id_env="ACME_ID",
        client_secret_env="ACME_SECRET",
        discover_organizations=True,
        schedule=Schedule(cron="30 6 * * 1-5", timezone="Europe/Berlin"),
    )
    assert 'schedule = {cron = "30 6 * * 1-5", timezone = "Europe/Berlin"}' in path.read_text()


def test_add_accepts_key_file_and_time_zone(
    path: Path, command: Callable[..., Result], tmp_path: Path
) -> None:
    key = tmp_path / "acme.key"
    done = command("add", *FORM, "--api-key-file", str(key), "--timezone", "Asia/Kolkata")
    assert done.exit_code == 0, done.output
    assert f"api_key_file {key} cannot be read" in done.output
    acme = load_settings(path).named("acme")
    assert (acme.api_key_env, acme.api_key_file) == (None, str(key))
    assert acme.schedule == Schedule(timezone="Asia/Kolkata")


def test_add_refuses_invalid_credentials_and_schedule(
    path: Path, command: Callable[..., Result]
) -> None:
    for options, message in (
        (("--api-key-env", "ACME_KEY", "--api-key-file", "/etc/acme.key"), "more than one key"),
        (("--client-id-env", "ACME_ID"), "go together"),
        (("--api-key-env", "ACME_KEY", "--cron", "at noon"), "field 'schedule.cron'"),
        (("--api-key-file", "acme.key"), "must be an absolute path"),
    ):
        done = command("add", *FORM, *options)
        assert done.exit_code == 2
        assert message in done.output
    assert not path.exists()


def test_add_checks_each_organization_of_provider(
    path: Path,
    command: Callable[..., Result],
    serve: Callable[..., Server],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JUMPCLOUD_INVENTORY_HOME", str(path.parent / "data"))
    monkeypatch.setenv("DAGSTER_HOME", "")
    provider = Provider(generate(1, SMALL), generate(2, SMALL))
    server = serve(provider)
    more = ("--api-key-env", KEY_VARIABLE, "--base-url", server.base_url)
    done = command("add", *FORM, *more, "--discover-organizations")
    assert done.exit_code == 0, done.output
    for organization in provider.organizations:
        assert f"acme-{organization.id}: a run would work" in done.output


def test_add_refuses_a_key_in_any_option_and_does_not_print_it(
    path: Path, command: Callable[..., Result]
) -> None:
    given = ("type", "scope", "name", "description", "region", "org-id", "base-url", "proxy")
    keys = ("api-key-env", "api-key-file", "client-id-env", "client-secret-env")
    for option in (*given, *keys, "ca-bundle", "cron", "timezone"):
        done = command("add", *OPTIONS, f"--{option}", KEY)
        assert done.exit_code == 2, option
        assert "looks like a key" in done.output
        assert KEY not in done.output
    assert not path.exists()


def test_add_keeps_file_if_the_new_one_would_be_invalid(
    path: Path, command: Callable[..., Result]
) -> None:
    for text, message in (
        (FILE, "name 'one' is used twice"),
        ("max_parallel_runs = 0\n", "field 'max_parallel_runs'"),
        ("[[integration]\n", "is not TOML"),
    ):
        path.write_text(text)
        done = command("add", *OPTIONS, "--name", "one")
        assert done.exit_code == 2
        assert message in done.output
        assert path.read_text() == text
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@given(description=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_description_is_read_back_unchanged(
    description: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("settings") / "integrations.toml"
    path.write_text(FILE.rstrip())
    append_integration(path, {"name": "acme", "description": description})
    assert load_settings(path).named("acme").description == description
    assert path.read_text().startswith(FILE.rstrip())


def test_add_uses_defaults_without_input(path: Path, command: Callable[..., Result]) -> None:
    done = command("add", "--name", "acme", "--api-key-env", "SURELY_NOT_SET")
    assert done.exit_code == 0, done.output
    (acme,) = load_settings(path).integration
    assert (acme.name, acme.region, acme.enabled) == ("acme", "us", True)


def test_add_without_input_names_missing_option(path: Path, command: Callable[..., Result]) -> None:
    done = command("add", "--api-key-env", "SURELY_NOT_SET")
    assert done.exit_code == 2
    assert "Missing option '--name'" in done.output
    assert not path.exists()


def test_concurrent_edits_are_all_kept(tmp_path: Path) -> None:
    path = tmp_path / "integrations.toml"
    names = [f"one-{number}" for number in range(8)]
    path.write_text("".join(f'[[integration]]\nname = "{name}"\n' for name in names))
    new = {"name": "new", "api_key_env": KEY_VARIABLE}
    with ThreadPoolExecutor() as pool:
        edits = [pool.submit(set_enabled, path, name, enabled=False) for name in names]
        edits.append(pool.submit(lambda: bool(append_integration(path, new))))
        assert all(edit.result() for edit in edits)
    enabled = {one.name: one.enabled for one in load_settings(path, {}).integration}
    assert enabled == dict.fromkeys(names, False) | {"new": True}
