"""Keys: read where the settings say, at the moment of use, and shown nowhere."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pipelines.config.environment import KEY_VARIABLE
from pipelines.config.integration import Integration
from pipelines.errors import SettingsError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"


@dataclass(frozen=True)
class ApiKey:
    """The API key of an administrator or a service account."""

    key: str = field(repr=False)

    @property
    def identity(self) -> str:
        """What tells it from others; as secret as the key, so only for hashing."""
        return self.key


@dataclass(frozen=True)
class ServiceAccount:
    """The OAuth 2 client credentials of a service account.

    Attributes:
        client_id: its id.
        client_secret: its secret.
        source: where both were read, for messages.
    """

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    source: str

    @property
    def identity(self) -> str:
        """What tells it from others; as secret as the secret, so only for hashing."""
        return f"{self.client_id}:{self.client_secret}"


Credentials: TypeAlias = ApiKey | ServiceAccount


def load_credentials(
    integration: Integration, environment: Mapping[str, str] = os.environ
) -> Credentials:
    """Read the integration's key, or its client id and secret.

    Raises:
        SettingsError: it is not where the settings say, cannot be one, or others may read its
            file; no value is named.
    """
    try:
        if integration.api_key_file:
            return ApiKey(_read_file(Path(integration.api_key_file), environment))
        if integration.client_id_env and integration.client_secret_env:
            variables = (integration.client_id_env, integration.client_secret_env)
            client_id, secret = (
                _read_variable(variable, environment, what)
                for variable, what in zip(variables, ("client id", "client secret"), strict=True)
            )
            return ServiceAccount(client_id, secret, source=" and ".join(variables))
        variable = integration.api_key_env or KEY_VARIABLE
        return ApiKey(_read_variable(variable, environment, "API key"))
    except SettingsError as error:
        raise SettingsError(f"integration {integration.name!r}: {error}") from None


def _read_variable(name: str, environment: Mapping[str, str], what: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsError(
            f"the environment variable {name} is not set; put the JumpCloud {what} there"
        )
    return _checked(value, f"the environment variable {name}", what)


def _read_file(path: Path, environment: Mapping[str, str]) -> str:
    # systemd opens a credential to its service by an ACL, whose mask shows as the group's mode.
    is_credential = str(path.parent) == environment.get(CREDENTIALS_VARIABLE)
    try:
        # The mode, not whether others can: the key of a file in a closed folder leaves it one day.
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise SettingsError(f"api_key_file {path} is not a file")
        if mode & (stat.S_IRWXO if is_credential else _OTHERS):
            raise SettingsError(
                f"api_key_file {path} is open to others (mode {stat.S_IMODE(mode):04o}); close it "
                f"with: chmod 600 {path}"
            )
        key = path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError as error:
        raise SettingsError(f"api_key_file {path} cannot be read ({error.strerror})") from None
    if not key:
        raise SettingsError(f"api_key_file {path} is empty; put the JumpCloud API key there")
    return _checked(key, f"api_key_file {path}", "API key")


def _checked(value: str, where: str, what: str) -> str:
    # requests repeats a header value it refuses in its error: refuse it first.
    if not value.isascii() or not value.isprintable() or " " in value:
        raise SettingsError(
            f"{where} holds characters that no JumpCloud {what} has; copy the {what} again"
        )
    return value
