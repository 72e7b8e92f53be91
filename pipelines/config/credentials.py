"""Read secrets from the environment or a file: API keys, and those of alert targets."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pipelines.config.alerts import AlertTarget
from pipelines.config.environment import KEY_VARIABLE
from pipelines.config.integration import Integration
from pipelines.errors import SettingsError

CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"


@dataclass(frozen=True)
class ApiKey:
    """The API key of an administrator or a service account."""

    key: str = field(repr=False)

    @property
    def identity(self) -> str:
        """Return what identifies it. It is as secret as the key, so hash it."""
        return self.key


@dataclass(frozen=True)
class ServiceAccount:
    """The OAuth 2 client credentials of a service account.

    Attributes:
        client_id: public part.
        client_secret: secret part.
        source: names of the environment variables, for messages.
    """

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    source: str

    @property
    def identity(self) -> str:
        """Return what identifies it. It is as secret as the client secret, so hash it."""
        return f"{self.client_id}:{self.client_secret}"


Credentials: TypeAlias = ApiKey | ServiceAccount


def load_credentials(
    integration: Integration, environment: Mapping[str, str] = os.environ
) -> Credentials:
    """Read the integration's API key, or its client id and secret.

    Raises:
        SettingsError: a value is missing or not valid, or other users may read the file. The
            message does not contain the value.
    """
    try:
        if integration.api_key_file:
            path = Path(integration.api_key_file)
            return _api_key(_read_file(path, environment), f"api_key_file {path}")
        if integration.api_key_credential:
            name = integration.api_key_credential
            key = _read_credential(name, environment, "api_key_credential")
            return _api_key(key, f"api_key_credential {name}")
        if integration.client_id_env and integration.client_secret_env:
            return ServiceAccount(
                _read_variable(integration.client_id_env, environment, "client id"),
                _read_variable(integration.client_secret_env, environment, "client secret"),
                source=f"{integration.client_id_env} and {integration.client_secret_env}",
            )
        variable = integration.api_key_env or KEY_VARIABLE
        return ApiKey(_read_variable(variable, environment, "API key"))
    except SettingsError as error:
        raise SettingsError(f"integration {integration.name!r}: {error}") from None


def read_secret(target: AlertTarget, environment: Mapping[str, str]) -> str:
    """Read the secret of an alert target; empty if it needs none.

    Raises:
        SettingsError: it is missing, or other users may read the file.
    """
    if target.secret_credential:
        return _read_credential(target.secret_credential, environment, "secret_credential")
    if not target.secret_env:
        return ""
    value = environment.get(target.secret_env, "").strip()
    if not value:
        raise SettingsError(f"the environment variable {target.secret_env} is not set")
    return value


def _read_variable(name: str, environment: Mapping[str, str], kind: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsError(
            f"the environment variable {name} is not set; put the JumpCloud {kind} there"
        )
    return _check_value(value, f"the environment variable {name}", kind)


def _api_key(value: str, source: str) -> ApiKey:
    return ApiKey(_check_value(value, source, "API key"))


def _read_credential(name: str, environment: Mapping[str, str], setting: str) -> str:
    folder = environment.get(CREDENTIALS_VARIABLE)
    if not folder:
        raise SettingsError(
            f"{setting} {name}: {CREDENTIALS_VARIABLE} is not set, because systemd did "
            f"not start this process. Start it with `systemd-run -p LoadCredential={name}:FILE` "
            "(docs/how-to/deploy.md)"
        )
    return _read_file(Path(folder, name), environment, setting)


def _read_file(path: Path, environment: Mapping[str, str], setting: str = "api_key_file") -> str:
    # systemd gives its service access by an ACL, and the ACL's mask shows as the group's mode.
    is_credential = str(path.parent) == environment.get(CREDENTIALS_VARIABLE)
    try:
        # Check the mode even if the folder is closed to others: the file may be moved or copied.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SettingsError(f"{setting} {path} is not a file")
        if mode & (stat.S_IRWXO if is_credential else stat.S_IRWXG | stat.S_IRWXO):
            raise SettingsError(
                f"{setting} {path} is open to others (mode {stat.S_IMODE(mode):04o}); "
                f"run: chmod 600 {path}"
            )
        value = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise SettingsError(f"{setting} {path} cannot be read ({error.strerror})") from None
    if not value:
        content = "secret" if setting == "secret_credential" else "JumpCloud API key"
        raise SettingsError(f"{setting} {path} is empty; put the {content} there")
    return value


def _check_value(value: str, source: str, kind: str) -> str:
    # requests would reject it as a header, with the value in its error message.
    if not value.isascii() or not value.isprintable() or " " in value:
        raise SettingsError(
            f"{source} holds characters that no JumpCloud {kind} has; copy the {kind} again"
        )
    return value
