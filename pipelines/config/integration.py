"""Settings of one integration: its organization, credentials, scope and schedule."""

import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from pipelines.config.schedule import Schedule
from pipelines.config.validation_errors import LOOKS_LIKE_A_KEY

# Hosts of the three regions, as in JumpCloud's own tools (docs/reference/jumpcloud-api.md).
REGION_URLS = {
    "us": "https://console.jumpcloud.com",
    "eu": "https://console.eu.jumpcloud.com",
    "in": "https://console.in.jumpcloud.com",
}
TOKEN_URLS = {
    "us": "https://admin-oauth.id.jumpcloud.com/oauth2/token",
    "eu": "https://admin-oauth.id.eu.jumpcloud.com/oauth2/token",
    "in": "https://admin-oauth.id.in.jumpcloud.com/oauth2/token",
}
# Hosts of Directory Insights, which has the reports.
REPORT_URLS = {
    "us": "https://api.jumpcloud.com",
    "eu": "https://api.eu.jumpcloud.com",
    "in": "https://api.in.jumpcloud.com",
}
NAME = r"^[a-z0-9_-]{1,64}$"
# Texts in a path that polars, pandas, pyarrow, DuckDB, Spark or ClickHouse take for another type.
_OTHER_TYPES = re.compile(
    r"inf|infinity|nan|nat|null|none|true|false|epoch|now|today|"
    r"(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|"
    r"oct(ober)?|nov(ember)?|dec(ember)?|"
    r"mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?|sun(day)?|"
    r"[tm](?=\d)|\d|[-_])+"
)
_DURATION = re.compile(r"([0-9]+)([mhd])")
_HOURS = {"m": 1 / 60, "h": 1.0, "d": 24.0}
MAX_PROVIDER_NAME = 39  # with a hyphen and the id of an organization, it has 64 letters
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

DetailEndpoint = Literal[
    "organizations",
    "systems",
    "systemusers",
    "applications",
    "applications_users",
    "usergroups",
    "usergroups_members",
    "usergroups_associations",
    "users_associations",
    "systems_associations",
    "policies",
    "policygroups",
    "commands",
    "radiusservers",
]
AssociationTarget = Literal[
    "user", "user_group", "policy", "policy_group", "command", "radius_server"
]
ALL_TARGETS: tuple[AssociationTarget, ...] = get_args(AssociationTarget)


def find_name_problem(name: str) -> str:
    """Return why a new integration cannot have the name; empty if it can.

    Names of earlier versions may break these rules. They stay usable.
    """
    if not name[0].isalpha():
        return "a name begins with a letter"
    if _OTHER_TYPES.fullmatch(name):
        return "programs that read the history would take it for a number, a date or no value"
    return ""


def _check_absolute(path: str) -> str:
    # Runs start in different directories: from the terminal, from the UI, as a service.
    if not Path(path).is_absolute():
        raise ValueError("must be an absolute path")
    return path


def _check_not_a_key(value: object) -> object:
    if isinstance(value, str) and LOOKS_LIKE_A_KEY.fullmatch(value.strip()):
        raise ValueError("looks like a key; give a name, and put the key in the environment")
    return value


def check_base_url(value: str) -> str:
    """Return an address of a scheme and a host, which is not a secret.

    Raises:
        ValueError: it has more, or plain http for another host than this machine.
    """
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be https://host (plain http only for 127.0.0.1)")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold neither user, password, query nor fragment")
    if parts.path.strip("/"):
        raise ValueError("must end after the host: the paths of the API are known")
    _ = parts.port  # raises ValueError if it is not a number
    if parts.scheme == "http" and parts.hostname not in LOOPBACK_HOSTS:
        raise ValueError("must be https://host (plain http only for 127.0.0.1)")
    return value.rstrip("/")


def _check_proxy(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be http://host:port or https://host:port")
    if parts.username or parts.password:
        raise ValueError("must not hold a user or password")
    return value


def _read_hours(value: object) -> object:
    """Return the hours of a text such as `90m`, `12h` or `2d`; any other value unchanged."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    return float(found[1]) * _HOURS[found[2]] if found else value


_Choice = TypeVar("_Choice")
_Unique = Annotated[
    tuple[_Choice, ...],
    Field(strict=False),
    AfterValidator(lambda values: tuple(dict.fromkeys(values))),
]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
CredentialName = Annotated[str, Field(pattern=r"^[\w.@-]+$")]
_KeyVariable = Annotated[VariableName, BeforeValidator(_check_not_a_key)]
AbsolutePath = Annotated[str, AfterValidator(_check_absolute)]


class Integration(BaseModel):
    """One JumpCloud organization to pull: an `[[integration]]` of the settings file.

    Attributes:
        name: key in every table, and the Dagster partition.
        description: free text, shown next to the name.
        type: product to pull; JumpCloud is the only one.
        scope: `cloud`, or `on_premise` if JumpCloud is reached through a company's network.
        enabled: False takes it off the schedule.
        region: JumpCloud region of the organization; a key works in its own region only.
        base_url: address to call instead of the region's; plain http only on loopback.
        proxy: address of the proxy, for `scope = "on_premise"`.
        ca_bundle: file of certificates to trust, for `scope = "on_premise"`.
        api_key_env: name of the environment variable that holds the key, never the key itself;
            JUMPCLOUD_API_KEY if the settings have no key.
        api_key_file: file that holds the key; only its owner may read it.
        api_key_credential: name of the systemd credential that holds the key, a file in
            `$CREDENTIALS_DIRECTORY`.
        client_id_env: variable that holds the client id of a service account.
        client_secret_env: variable that holds its client secret.
        org_id: organization id of 24 hexadecimal digits, sent as `x-org-id` if the API takes it.
        discover_organizations: pull every organization of the key, each as an integration of its
            own (`pipelines.extract.discovery`).
        association_targets: target types to pull of each group's associations.
        details: False calls the four system group endpoints only.
        skip_endpoints: detail endpoints not to call. Their columns are NULL, and their assets do
            not count as removed.
        direct_bindings: `read` the bindings of users and user groups to single devices, or `off`;
            `report` reads those of users only for devices that JumpCloud's report names.
        report_max_age: hours after which a report is too old, also as `90m`, `12h` or `2d`.
        request_reports: True to request a report where none is young enough; `read` then compares
            its result with the report.
        custom_attributes: names of the custom attributes of users and systems to pull.
        max_in_flight: maximum number of calls at the same time.
        max_requests_per_second: maximum calls a second; by default, only the API limits them.
        schedule: time of the runs.
        removal_share: share of an asset type; if more is missing, nothing is published until
            someone confirms.
        removal_minimum: number of missing assets from which `removal_share` applies.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=NAME), BeforeValidator(_check_not_a_key)]
    description: str = ""
    type: Literal["jumpcloud"] = "jumpcloud"
    scope: Literal["cloud", "on_premise"] = "cloud"
    enabled: bool = True
    region: Literal["us", "eu", "in"] = "us"
    base_url: Annotated[str, AfterValidator(check_base_url)] | None = None
    proxy: Annotated[str, AfterValidator(_check_proxy)] | None = None
    ca_bundle: AbsolutePath | None = None
    api_key_env: _KeyVariable | None = None
    api_key_file: AbsolutePath | None = None
    api_key_credential: CredentialName | None = None
    client_id_env: _KeyVariable | None = None
    client_secret_env: _KeyVariable | None = None
    org_id: Annotated[str, Field(pattern=r"^([0-9a-f]{24})?$")] = ""
    discover_organizations: bool = False
    association_targets: _Unique[AssociationTarget] = ALL_TARGETS
    details: bool = True
    skip_endpoints: _Unique[DetailEndpoint] = ()
    direct_bindings: Literal["read", "report", "off"] = "read"
    report_max_age: Annotated[
        float, Field(gt=0, le=8760, strict=False), BeforeValidator(_read_hours)
    ] = 12
    request_reports: bool = False
    custom_attributes: _Unique[Annotated[str, Field(pattern="^[^/]+$")]] = ()
    max_in_flight: Annotated[int, Field(ge=1, le=64)] = 8
    max_requests_per_second: Annotated[float, Field(ge=0.5, strict=False)] | None = None
    schedule: Schedule = Schedule()
    removal_share: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.3
    removal_minimum: Annotated[int, Field(ge=1)] = 20

    @model_validator(mode="after")
    def _check_credentials(self) -> "Integration":
        if (self.client_id_env is None) != (self.client_secret_env is None):
            raise ValueError("client_id_env and client_secret_env go together: give both")
        ways = (
            self.api_key_env,
            self.api_key_file,
            self.api_key_credential,
            self.client_id_env,
        )
        if len(ways) - ways.count(None) > 1:
            raise ValueError(
                "more than one key; give api_key_env, or api_key_file, or api_key_credential, or "
                "client_id_env with client_secret_env"
            )
        return self

    @model_validator(mode="after")
    def _check_scope(self) -> "Integration":
        if (self.scope == "on_premise") != bool(self.proxy or self.ca_bundle):
            raise ValueError(
                'scope "on_premise" and proxy (or ca_bundle) go together; give both or neither'
            )
        if self.proxy and self.url.startswith("http://"):
            raise ValueError("a proxy would see the key of a base_url with plain http")
        return self

    @model_validator(mode="after")
    def _check_discovery(self) -> "Integration":
        if self.discover_organizations and self.org_id:
            raise ValueError("org_id and discover_organizations exclude each other: give one")
        if self.discover_organizations and len(self.name) > MAX_PROVIDER_NAME:
            raise ValueError(
                "the name is too long for discover_organizations, which adds the id of an "
                f"organization; use at most {MAX_PROVIDER_NAME} letters"
            )
        return self

    @property
    def url(self) -> str:
        """Return the scheme and host of the API."""
        return self.base_url or REGION_URLS[self.region]

    @property
    def uses_report(self) -> bool:
        """Return True if a pull reads JumpCloud's report of users and devices."""
        return self.direct_bindings == "report" or (
            self.direct_bindings == "read" and self.request_reports
        )

    @property
    def report_url(self) -> str:
        """Return the scheme and host of the reports."""
        return self.base_url or REPORT_URLS[self.region]

    @property
    def token_url(self) -> str:
        """Return the address that issues tokens to a service account."""
        return f"{self.base_url}/oauth2/token" if self.base_url else TOKEN_URLS[self.region]
