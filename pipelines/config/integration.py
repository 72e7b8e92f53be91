"""What is set of one integration: which organization is pulled, with which key, how and when."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

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
NAME = r"^[a-z0-9_-]{1,64}$"
MAX_PROVIDER_NAME = 39  # with a hyphen and an organization's id it is 64 letters long
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

DetailEndpoint = Literal["systems", "systemusers", "applications", "applications_users"]
AssociationTarget = Literal["user", "user_group", "policy", "policy_group", "command"]
ALL_TARGETS: tuple[AssociationTarget, ...] = (
    "user",
    "user_group",
    "policy",
    "policy_group",
    "command",
)


def _without_repeats(
    targets: tuple[AssociationTarget, ...],
) -> tuple[AssociationTarget, ...]:
    return tuple(dict.fromkeys(targets))


def _absolute(path: str) -> str:
    # Runs start in more than one directory: from the terminal, from the UI, as a service.
    if not Path(path).is_absolute():
        raise ValueError("must be an absolute path")
    return path


VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
AbsolutePath = Annotated[str, AfterValidator(_absolute)]


class Integration(BaseModel):
    """One JumpCloud organization to pull: an `[[integration]]` of the settings file.

    Attributes:
        name: the key in every table and the Dagster partition.
        description: free text, shown beside the name.
        type: the product pulled; JumpCloud is the only one.
        scope: `cloud`, or `on_premise` where JumpCloud is reached through a company's network.
        enabled: whether the schedule runs it.
        region: which of JumpCloud's three hosts is asked; a key works in its own region only.
        base_url: asked instead of the region's hosts; plain http only on loopback.
        proxy: the proxy's address, for `scope = "on_premise"`.
        ca_bundle: the file of certificates to trust, for `scope = "on_premise"`.
        api_key_env: the name of the environment variable that holds the key, never the key;
            JUMPCLOUD_API_KEY where no setting says where a key is.
        api_key_file: or a file that holds the key, which its owner alone may read.
        client_id_env: or, of a service account, the names of the variables
        client_secret_env: that hold its client id and secret.
        org_id: 24-hex organization id, sent as `x-org-id` where the API takes it.
        discover_organizations: whether the entry stands for every organization of the key, each
            as an integration of its own (`pipelines.extract.discovery`).
        association_targets: target types asked of each group's associations.
        details: False calls nothing but the four system group endpoints.
        skip_endpoints: endpoints of the details that are not called, by choice; what they would
            tell is NULL, and never taken for removed.
        max_in_flight: calls under way at once, at most.
        max_requests_per_second: calls a second, at most; without it only what the API takes.
        schedule: when it is refreshed.
        removal_share: nothing is published when more than this share of an asset type vanished,
        removal_minimum: and at least this many, until someone confirms.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=NAME)]
    description: str = ""
    type: Literal["jumpcloud"] = "jumpcloud"
    scope: Literal["cloud", "on_premise"] = "cloud"
    enabled: bool = True
    region: Literal["us", "eu", "in"] = "us"
    base_url: str | None = None
    proxy: str | None = None
    ca_bundle: AbsolutePath | None = None
    api_key_env: VariableName | None = None
    api_key_file: AbsolutePath | None = None
    client_id_env: VariableName | None = None
    client_secret_env: VariableName | None = None
    org_id: Annotated[str, Field(pattern=r"^([0-9a-f]{24})?$")] = ""
    discover_organizations: bool = False
    association_targets: Annotated[
        tuple[AssociationTarget, ...], Field(strict=False), AfterValidator(_without_repeats)
    ] = ALL_TARGETS
    details: bool = True
    skip_endpoints: Annotated[
        tuple[DetailEndpoint, ...], Field(strict=False), AfterValidator(_without_repeats)
    ] = ()
    max_in_flight: Annotated[int, Field(ge=1, le=64)] = 8
    max_requests_per_second: Annotated[float, Field(ge=0.5, strict=False)] | None = None
    schedule: Schedule = Schedule()
    removal_share: Annotated[float, Field(ge=0, le=1, strict=False)] = 0.3
    removal_minimum: Annotated[int, Field(ge=1)] = 20

    @field_validator("name", "api_key_env", "client_id_env", "client_secret_env", mode="before")
    @classmethod
    def _is_no_key(cls, value: object) -> object:
        if isinstance(value, str) and LOOKS_LIKE_A_KEY.fullmatch(value.strip()):
            raise ValueError("looks like a key; give a name, and put the key in the environment")
        return value

    @field_validator("base_url")
    @classmethod
    def _https_or_loopback(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be https://host (plain http only for 127.0.0.1)")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must hold neither user, password, query nor fragment")
        if parts.path.strip("/"):
            raise ValueError("must end after the host: the paths of the API are known")
        _ = parts.port  # a ValueError if it is none
        if parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS:
            return value.rstrip("/")
        if parts.scheme != "https":
            raise ValueError("must be https://host (plain http only for 127.0.0.1)")
        return value.rstrip("/")

    @field_validator("proxy")
    @classmethod
    def _proxy_is_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("must be http://host:port or https://host:port")
        if parts.username or parts.password:
            raise ValueError("must not hold a user or password")
        return value

    @model_validator(mode="after")
    def _one_key(self) -> "Integration":
        if (self.client_id_env is None) != (self.client_secret_env is None):
            raise ValueError("client_id_env and client_secret_env go together: give both")
        ways = (self.api_key_env, self.api_key_file, self.client_id_env)
        if len(ways) - ways.count(None) > 1:
            raise ValueError(
                "more than one key; give api_key_env, or api_key_file, or client_id_env with "
                "client_secret_env"
            )
        return self

    @model_validator(mode="after")
    def _network_belongs_to_on_premise(self) -> "Integration":
        if (self.scope == "on_premise") != bool(self.proxy or self.ca_bundle):
            raise ValueError(
                'scope "on_premise" and proxy (or ca_bundle) go together: give both or neither'
            )
        if self.proxy and self.url.startswith("http://"):
            raise ValueError("a proxy would see the key of a base_url with plain http")
        return self

    @model_validator(mode="after")
    def _discovers_or_says(self) -> "Integration":
        if self.discover_organizations and self.org_id:
            raise ValueError("org_id and discover_organizations exclude each other: give one")
        if self.discover_organizations and len(self.name) > MAX_PROVIDER_NAME:
            raise ValueError(
                f"the name takes at most {MAX_PROVIDER_NAME} letters with "
                "discover_organizations, since organizations' ids are added to it"
            )
        return self

    @property
    def url(self) -> str:
        """Scheme and host that every call goes to."""
        return self.base_url or REGION_URLS[self.region]

    @property
    def token_url(self) -> str:
        """Where a service account gets its tokens."""
        return f"{self.base_url}/oauth2/token" if self.base_url else TOKEN_URLS[self.region]
