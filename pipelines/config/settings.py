"""Settings of the program, read from a TOML file or the environment."""

import tomllib
from collections.abc import Collection, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from pipelines.config.alerts import AlertTarget, EmailTarget, PagerDutyTarget, WebhookTarget
from pipelines.config.environment import CONFIG_VARIABLE, KEY_VARIABLE
from pipelines.config.exports import Exports
from pipelines.config.integration import Integration, VariableName
from pipelines.config.schedule import Schedule
from pipelines.config.thresholds import DEFAULT_THRESHOLDS, Thresholds
from pipelines.config.validation_errors import describe_error
from pipelines.errors import SettingsError
from pipelines.schema.tables import INVENTORY_TABLES

ALERT_WEBHOOK = "alert_webhook_env"
_Named = TypeVar("_Named", Integration, WebhookTarget, PagerDutyTarget, EmailTarget)
# It changes at every pull, and would hide the changes that matter.
VOLATILE_COLUMNS = ("systems.last_contact_at",)
_COLUMNS = tuple(
    f"{table.name}.{column.name}"
    for table in INVENTORY_TABLES
    for column in table.columns
    if column.name not in table.full_key
)


class KeepSnapshots(BaseModel):
    """The past snapshots that keep their tables. The manifest of each snapshot is always kept.

    Attributes:
        all_for_days: number of days, counted back from the latest snapshot, that keep every one.
        then: retention before that: the first snapshot of each month, or none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    all_for_days: Annotated[int, Field(ge=1)] = 90
    then: Literal["monthly", "none"] = "monthly"


class Settings(Exports):
    """The settings of all integrations, and of the exports after each publication.

    Attributes:
        volatile_columns: columns, as `table.column`, that `changes` leaves out.
        max_parallel_runs: maximum number of runs at the same time.
        alert_webhook_env: environment variable that holds the address for alerts. Anyone who knows
            the address can post there, so it is a secret.
        alert_format: format of an alert: `json` with a field for each fact, or `slack`.
        alert: the `[[alert]]` entries, further targets of alerts.
        integration: the `[[integration]]` entries in the order of the file, with unique names.
        keep_snapshots: retention of past snapshots, for each integration.
        findings: thresholds of the findings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    volatile_columns: tuple[str, ...] = VOLATILE_COLUMNS
    max_parallel_runs: Annotated[int, Field(ge=1, le=64, strict=True)] = 2
    alert_webhook_env: VariableName | None = None
    alert_format: Literal["json", "slack"] = "json"
    alert: tuple[AlertTarget, ...] = ()
    integration: Annotated[tuple[Integration, ...], Field(min_length=1)]
    keep_snapshots: KeepSnapshots = KeepSnapshots()
    findings: Thresholds = DEFAULT_THRESHOLDS

    @property
    def alert_targets(self) -> Sequence[AlertTarget]:
        """Return the targets of alerts; `alert_webhook_env` is one of its own name."""
        if not self.alert_webhook_env:
            return self.alert
        webhook = WebhookTarget(
            name=ALERT_WEBHOOK, type=self.alert_format, secret_env=self.alert_webhook_env
        )
        return (webhook, *self.alert)

    @field_validator("volatile_columns")
    @classmethod
    def _columns_exist(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in _COLUMNS:
                (nearest,) = get_close_matches(name, _COLUMNS, n=1, cutoff=0)
                raise ValueError(
                    f"{name!r} is not a column that `changes` has; the nearest is {nearest!r}"
                )
        return value

    @field_validator("alert")
    @classmethod
    def _webhook_is_no_entry(cls, value: tuple[AlertTarget, ...]) -> tuple[AlertTarget, ...]:
        if any(target.name == ALERT_WEBHOOK for target in value):
            raise ValueError(f"name {ALERT_WEBHOOK!r} is the webhook of that setting; rename it")
        return value

    @field_validator("integration", "alert")
    @classmethod
    def _names_are_unique(cls, value: tuple[_Named, ...]) -> tuple[_Named, ...]:
        names = [entry.name for entry in value]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"name {repeated[0]!r} is used twice; rename one")
        return value

    def named(self, name: str) -> Integration:
        """Return an integration by its name.

        Raises:
            SettingsError: it does not exist.
        """
        for integration in self.integration:
            if integration.name == name:
                return integration
        known = ", ".join(integration.name for integration in self.integration)
        raise SettingsError(f"no integration is named {name!r}; there are: {known}")


_TABLES: Mapping[str, type[BaseModel]] = {
    "integration": Integration,
    "schedule": Schedule,
    **dict.fromkeys(("json", "slack", "teams"), WebhookTarget),
    "pagerduty": PagerDutyTarget,
    "email": EmailTarget,
    "keep_snapshots": KeepSnapshots,
    "findings": Thresholds,
    **{name: get_args(field.annotation)[0] for name, field in Exports.model_fields.items()},
}


def load_settings(
    path: Path | None = None, environment: Mapping[str, str] = MappingProxyType({})
) -> Settings:
    """Read the settings file. Without one, return the integration `jumpcloud` of the environment.

    Args:
        path: the file; by default, the one in `JUMPCLOUD_INVENTORY_CONFIG`.
        environment: variables; also `JUMPCLOUD_ORG_ID` and `JUMPCLOUD_REGION`.

    Raises:
        SettingsError: the file cannot be read, or a setting is wrong.
    """
    configured = environment.get(CONFIG_VARIABLE)
    path = path or (Path(configured) if configured else None)
    if path is None:
        return _settings_of_environment(environment)
    return parse_settings(read_settings_file(path), source=str(path))


def read_settings_file(path: Path) -> str:
    """Return the text of a settings file with its own line ends.

    Raises:
        SettingsError: the file cannot be read, or is not text.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from None


def parse_settings(text: str, source: str) -> Settings:
    """Parse the text of a settings file.

    Args:
        text: content of the file.
        source: name of the file, for messages.

    Raises:
        SettingsError: the text is not TOML, or a setting is wrong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{source}: is not TOML: {error}") from None
    return validate_settings(document, source)


def find_problem(field: str, value: str) -> str:
    """Return why a field of an integration cannot have the value; empty if it can."""
    try:
        validate_settings({"integration": [{"name": "new", field: value}]}, source="")
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
    return validate_settings({"integration": [entry]}, source="environment")


def validate_settings(document: dict[str, object], source: str) -> Settings:
    """Return the settings of a document.

    Args:
        document: values by name, as TOML or YAML gives them.
        source: its file, for messages.

    Raises:
        SettingsError: a setting is wrong.
    """
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        # Each wrong entry also makes the list too short, which adds nothing.
        details = [detail for detail in error.errors() if detail["type"] != "too_short"]
        messages = [
            describe_error(detail, document, _known_names(detail["loc"]))
            for detail in details or error.errors()
        ]
        lines = [f"{source}: {message}" for message in messages]
        raise SettingsError("\n".join(lines)) from None


def _known_names(place: tuple[int | str, ...]) -> Collection[str]:
    """Return the names of all settings in the table of this one."""
    tables = [part for part in place[:-1] if isinstance(part, str)]
    return (_TABLES.get(tables[-1], Settings) if tables else Settings).model_fields
