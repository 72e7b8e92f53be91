"""Wrong arguments, settings and folders of the command `run` are named, and exit with 2."""

import pytest

from tests.support.cli import Installation


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "--config", "nowhere.toml"], "nowhere.toml: cannot be read"),
        (["run", "acne"], "no integration is named 'acne'"),
        (["run", "--bogus"], "No such option"),
        (["runn"], "No such command"),
    ],
)
def test_usage_error_exits_2(
    arguments: list[str], message: str, installation: Installation
) -> None:
    done = installation.run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["run", "check"])
def test_unsuitable_name_is_refused(command: str, installation: Installation) -> None:
    settings = installation.folder / "integrations.toml"
    settings.write_text('[[integration]]\nname = "01"\n')
    done = installation.run(command, "--config", str(settings), JUMPCLOUD_API_KEY="k")
    assert done.returncode == 2
    assert "'01': the name is not suitable: a name begins with a letter. Choose" in done.stderr


def test_unsuitable_name_of_an_earlier_version_is_kept(installation: Installation) -> None:
    settings = installation.folder / "integrations.toml"
    settings.write_text('[[integration]]\nname = "-one"\n[[integration]]\nname = "two"\n')
    published = installation.data / "history" / "_manifests" / "integration=-one"
    published.mkdir(parents=True)
    (published / "20250101T000000Z.json").touch()
    done = installation.run("run", "--config", str(settings))
    assert "'-one': the name is not suitable: a name begins with a letter. It is" in done.stderr
    assert "-one: integration '-one': the environment variable" in done.stderr


def test_missing_key_is_named(installation: Installation) -> None:
    done = installation.run("run")
    assert done.returncode == 2
    assert "environment variable JUMPCLOUD_API_KEY is not set" in done.stderr
    assert not installation.file.exists()


def test_key_in_wrong_field_is_not_printed(installation: Installation) -> None:
    key = "jca_0123456789abcdef0123456789abcdef0123"
    settings = installation.folder / "integrations.toml"
    for fields in (f'name = "{key}"', f'name = "acme"\napi_key_env = "{key}"'):
        settings.write_text(f"[[integration]]\n{fields}\n")
        done = installation.run("run", "--config", str(settings))
        assert done.returncode == 2
        assert "looks like a key" in done.stderr
        assert key not in done.stderr + done.stdout


@pytest.mark.parametrize("data_dir", ["", "file", "file/below", "/proc/nope"])
def test_unwritable_data_directory_is_named(data_dir: str, installation: Installation) -> None:
    (installation.folder / "file").write_text("")
    done = installation.run("run", "--data-dir", data_dir, JUMPCLOUD_API_KEY="k")
    assert done.returncode == 2
    assert "--data-dir" in done.stderr
    assert "Traceback" not in done.stderr


def test_run_without_enabled_integration_fails(installation: Installation) -> None:
    path = installation.folder / "integrations.toml"
    path.write_text('[[integration]]\nname = "acme"\nenabled = false\n')
    done = installation.run("run", "--config", str(path))
    assert done.returncode == 2
    assert "every integration is disabled" in done.stderr
