"""Reading keys from environment variables and files."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from pipelines.config.credentials import ApiKey, ServiceAccount, load_credentials
from pipelines.config.integration import Integration
from pipelines.errors import SettingsError

KEY = "jca_0123456789abcdefghij"


def acme(**settings: str) -> Integration:
    return Integration.model_validate({"name": "acme"} | settings)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "acme.key"
    path.write_text(f"{KEY}\n")
    path.chmod(0o600)
    return path


def test_key_file_is_read_at_each_use(key_file: Path) -> None:
    integration = acme(api_key_file=str(key_file))
    assert load_credentials(integration, {"JUMPCLOUD_API_KEY": "another"}) == ApiKey(KEY)
    key_file.write_text("jca_renewed\r\n")
    assert load_credentials(integration) == ApiKey("jca_renewed")
    assert "renewed" not in repr(integration) + repr(load_credentials(integration))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o644, 0o610, 0o777])
def test_key_file_open_to_others_is_refused(mode: int, key_file: Path) -> None:
    key_file.chmod(mode)
    with pytest.raises(SettingsError) as caught:
        load_credentials(acme(api_key_file=str(key_file)))
    message = f"integration 'acme': api_key_file {key_file} is open to others (mode {mode:04o})"
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(f"chmod 600 {key_file}")
    key_file.chmod(0o400)
    assert load_credentials(acme(api_key_file=str(key_file))) == ApiKey(KEY)


def test_systemd_credential_may_have_mode_0440(key_file: Path) -> None:
    settings = acme(api_key_file=str(key_file))
    service = {"CREDENTIALS_DIRECTORY": str(key_file.parent)}
    key_file.chmod(0o440)
    assert load_credentials(settings, service) == ApiKey(KEY)
    with pytest.raises(SettingsError, match="is open to others"):
        load_credentials(settings, {"CREDENTIALS_DIRECTORY": str(key_file.parent.parent)})
    key_file.chmod(0o444)
    with pytest.raises(SettingsError, match="is open to others"):
        load_credentials(settings, service)


def test_credential_is_a_file_that_systemd_gives(key_file: Path) -> None:
    settings = acme(api_key_credential=key_file.name)
    key_file.chmod(0o440)
    service = {"CREDENTIALS_DIRECTORY": str(key_file.parent)}
    assert load_credentials(settings, service) == ApiKey(KEY)
    with pytest.raises(SettingsError, match="systemd did not start this process"):
        load_credentials(settings, {})
    with pytest.raises(SettingsError, match="none cannot be read"):
        load_credentials(acme(api_key_credential="none"), service)
    for path in ("../acme.key", "/etc/acme.key"):
        with pytest.raises(ValidationError):
            acme(api_key_credential=path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; put the JumpCloud API key there"),
        (b" \n\n", "is empty; put the JumpCloud API key there"),
        (b"two words\n", "holds characters that no JumpCloud API key has"),
        (b"two\nlines\n", "holds characters that no JumpCloud API key has"),
        (b"\xff\xfe\x00binary", "holds characters that no JumpCloud API key has"),
    ],
)
def test_invalid_key_file_is_refused_and_not_printed(
    content: bytes, message: str, key_file: Path
) -> None:
    key_file.write_bytes(content)
    with pytest.raises(SettingsError, match=f"api_key_file {key_file} {message}") as caught:
        load_credentials(acme(api_key_file=str(key_file)))
    assert not {"two", "lines", "binary"} & set(str(caught.value).split())


def test_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"api_key_file .*/nowhere cannot be read .No such file"
    ):
        load_credentials(acme(api_key_file=str(tmp_path / "nowhere")))
    with pytest.raises(SettingsError, match="is not a file"):
        load_credentials(acme(api_key_file=str(tmp_path)))


def test_service_account_is_read_from_two_variables() -> None:
    integration = acme(client_id_env="ACME_ID", client_secret_env="ACME_SECRET")
    account = load_credentials(integration, {"ACME_ID": "the-id\n", "ACME_SECRET": "the-secret"})
    assert account == ServiceAccount("the-id", "the-secret", source="ACME_ID and ACME_SECRET")
    assert "the-" not in repr(account)
    with pytest.raises(
        SettingsError, match="variable ACME_SECRET is not set; put the JumpCloud cl"
    ):
        load_credentials(integration, {"ACME_ID": "the-id"})
    with pytest.raises(SettingsError, match="'acme': the environment variable ACME_ID is not set"):
        load_credentials(integration, {"ACME_SECRET": "the-secret"})
    with pytest.raises(SettingsError, match="ACME_SECRET holds characters that no") as caught:
        load_credentials(integration, {"ACME_ID": "the-id", "ACME_SECRET": "sécret"})
    assert "sécret" not in str(caught.value)


def test_default_key_variable_is_jumpcloud_api_key() -> None:
    assert load_credentials(acme(), {"JUMPCLOUD_API_KEY": KEY}) == ApiKey(KEY)


def test_accounts_with_equal_ids_or_secrets_differ() -> None:
    identities = {
        ServiceAccount(client_id, secret, source="").identity
        for client_id in ("one", "two")
        for secret in ("a", "b")
    }
    assert len(identities) == 4
