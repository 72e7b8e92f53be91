"""Settings of the alert targets: `[[alert]]` of the settings file."""

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from pipelines.config.integration import (
    LOOPBACK_HOSTS,
    NAME,
    AbsolutePath,
    CredentialName,
    VariableName,
    check_base_url,
)
from pipelines.severity import Severity

_Address = Annotated[str, Field(pattern=r"^[^\s@<>,;:]+@[^\s@<>,;:]+$")]
_Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]+$")]


class _Target(BaseModel):
    """What all targets have.

    Attributes:
        name: name of the target in messages.
        secret_env: environment variable that holds the secret.
        secret_credential: or systemd credential that holds it, a file in `$CREDENTIALS_DIRECTORY`.
        failures: True to get failed runs, late integrations and their recovery.
        findings: lowest severity of opened findings to get; None for none.
        ca_bundle: file of certificates to trust instead of the usual ones.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: Annotated[str, Field(pattern=NAME)]
    secret_env: VariableName | None = None
    secret_credential: CredentialName | None = None
    failures: bool = True
    findings: Severity | None = None
    ca_bundle: AbsolutePath | None = None

    @model_validator(mode="after")
    def _check_choices(self) -> "_Target":
        if self.secret_env and self.secret_credential:
            raise ValueError("more than one secret; give secret_env or secret_credential")
        if not self.has_secret and self.needs_secret:
            raise ValueError("the secret is missing; give secret_env or secret_credential")
        if not (self.failures or self.findings):
            raise ValueError("gets nothing; set findings, or failures = true")
        return self

    @property
    def has_secret(self) -> bool:
        """Return True if the settings name a secret."""
        return bool(self.secret_env or self.secret_credential)

    @property
    def needs_secret(self) -> bool:
        """Return True if nothing can be sent without a secret."""
        return True


class WebhookTarget(_Target):
    """A webhook. Its address is the secret, since anyone who knows it can post there.

    Attributes:
        type: `json` with a field for each fact, `slack`, or `teams` for an Adaptive Card.
    """

    type: Literal["json", "slack", "teams"]


class PagerDutyTarget(_Target):
    """A service of PagerDuty. Its integration key is the secret.

    Attributes:
        type: `pagerduty`.
        base_url: scheme and host of the Events API; that of the EU is another one.
    """

    type: Literal["pagerduty"]
    base_url: Annotated[str, AfterValidator(check_base_url)] = "https://events.pagerduty.com"


class EmailTarget(_Target):
    """Recipients of an e-mail. The password of `user` is the secret.

    Attributes:
        type: `email`.
        host: mail server.
        port: its port.
        starttls: False to send in plain text, to a mail server on this machine only.
        user: name to log in with; None sends without a login.
        sender: address of the sender.
        recipients: addresses of the recipients.
    """

    type: Literal["email"]
    host: _Host
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    starttls: bool = True
    user: str | None = None
    sender: _Address
    recipients: Annotated[tuple[_Address, ...], Field(min_length=1, strict=False)]

    @property
    def needs_secret(self) -> bool:
        """Return True if it logs in."""
        return self.user is not None

    @model_validator(mode="after")
    def _check_login(self) -> "EmailTarget":
        if self.has_secret and not self.needs_secret:
            raise ValueError("a password without user; give user, or no secret")
        if not self.starttls and (self.user or self.host not in LOOPBACK_HOSTS):
            raise ValueError(
                "starttls = false is only for a mail server on this machine, without user"
            )
        return self


AlertTarget: TypeAlias = Annotated[
    WebhookTarget | PagerDutyTarget | EmailTarget, Field(discriminator="type")
]
