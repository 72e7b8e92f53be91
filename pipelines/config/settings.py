"""Integrations file and environment -> typed settings; which name where keys come from."""

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from pipelines.config.environment import CONFIG_VARIABLE, KEY_VARIABLE
from pipelines.config.integration import Integration, VariableName
from pipelines.config.thresholds import DEFAULT_THRESHOLDS, Thresholds
from pipelines.config.validation_errors import describe_error
from pipelines.errors import SettingsError
from pipelines.schema.tables import INVENTORY_TABLES

# They move at every pull: a row for each would bury the changes that mean something.
VOLATILE_COLUMNS = ("systems.last_contact_at",)
_COLUMNS = tuple(
    f"{table.name}.{column.name}"
    for table in INVENTORY_TABLES
    for column in table.columns
    if column.name not in table.full_key
)


class KeepSnapshots(BaseModel):
    """Which past snapshots keep their tables; what tells of each pull is kept of all.

    Attributes:
        all_for_days: every snapshot of that many days, the last on which there was one.
        then: what stays of the time before: the first snapshot of each month, or none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    all_for_days: Annotated[int, Field(ge=1)] = 90
    then: Literal["monthly", "none"] = "monthly"


class Settings(BaseModel):
    """Everything that is set, and where it was read.

    Attributes:
        volatile_columns: columns, as `table.column`, of which `changes` does not tell.
        max_parallel_runs: runs under way at once, at most.
        alert_webhook_env: the name of the environment variable that holds the address to which
            failures are posted; whoever knows the address can post there, so it is a secret.
        alert_format: what is posted: `json` with a field for each fact, or `slack`.
        integration: the `[[integration]]` entries, in the file's order, names unique.
        keep_snapshots: how much of the history of each integration is kept.
        findings: from where on something is a finding.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    volatile_columns: tuple[str, ...] = VOLATILE_COLUMNS
    max_parallel_runs: Annotated[int, Field(ge=1, le=64, strict=True)] = 2
    alert_webhook_env: VariableName | None = None
    alert_format: Literal["json", "slack"] = "json"
    integration: Annotated[tuple[Integration, ...], Field(min_length=1)]
    keep_snapshots: KeepSnapshots = KeepSnapshots()
    findings: Thresholds = DEFAULT_THRESHOLDS

    @field_validator("volatile_columns")
    @classmethod
    def _columns_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in _COLUMNS:
                (nearest,) = get_close_matches(name, _COLUMNS, n=1, cutoff=0)
                raise ValueError(
                    f"{name!r} is no column whose changes are told; the nearest is {nearest!r}"
                )
        return value

    @field_validator("integration")
    @classmethod
    def _names_are_unique(cls, value: tuple[Integration, ...]) -> tuple[Integration, ...]:
        names = [integration.name for integration in value]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"name {repeated[0]!r} is used twice; names are unique")
        return value

    def named(self, name: str) -> Integration:
        """The integration of that name.

        Raises:
            SettingsError: there is none.
        """
        for integration in self.integration:
            if integration.name == name:
                return integration
        known = ", ".join(integration.name for integration in self.integration)
        raise SettingsError(f"no integration is named {name!r}; there are: {known}")


def load_settings(
    path: Path | None = None, environment: Mapping[str, str] = MappingProxyType({})
) -> Settings:
    """Read the settings file, or without one take the integration `jumpcloud` of the environment.

    Args:
        path: the file; without it, the one that `JUMPCLOUD_INVENTORY_CONFIG` names.
        environment: read for that variable, and for `JUMPCLOUD_ORG_ID` and `JUMPCLOUD_REGION`.

    Raises:
        SettingsError: the file cannot be read, or a setting is wrong.
    """
    named = environment.get(CONFIG_VARIABLE)
    path = path or (Path(named) if named else None)
    if path is None:
        return _settings_of_environment(environment)
    return parse_settings(read_settings_file(path), source=str(path))


def read_settings_file(path: Path) -> str:
    """The text of a settings file, line ends as they are.

    Raises:
        SettingsError: it cannot be read, or is no text.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from None


def parse_settings(text: str, source: str) -> Settings:
    """The settings that a file's text says.

    Args:
        text: the whole file.
        source: its name, for messages.

    Raises:
        SettingsError: it says something wrong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source}: is not TOML: {error}") from None
    return _validated(document, source)


def find_problem(field: str, value: str) -> str:
    """What is wrong with a value for a field of an integration; empty where nothing is."""
    try:
        _validated({"integration": [{"name": "new", field: value}]}, source="")
    except SettingsError as error:
        return str(error).partition(f"field {field!r}: ")[2]
    return ""


def _settings_of_environment(environment: Mapping[str, str]) -> Settings:
    entry = {
        "name": "jumpcloud",
        "description": f"The organization of {KEY_VARIABLE}",
        "region": environment.get("JUMPCLOUD_REGION") or "us",
        "org_id": environment.get("JUMPCLOUD_ORG_ID") or "",
    }
    return _validated({"integration": [entry]}, source="environment")


def _validated(document: dict[str, object], source: str) -> Settings:
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        # One wrong entry also makes the list of entries too short: that says nothing more.
        details = [each for each in error.errors() if each["type"] != "too_short"]
        lines = [
            f"{source}: {describe_error(each, document)}" for each in details or error.errors()
        ]
        raise SettingsError("\n".join(lines)) from None
