"""Thresholds of the findings: `[findings]` of the settings file."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Thresholds(BaseModel):
    """Thresholds of the findings.

    Attributes:
        stale_days: days without contact before the pull; a device with more is stale.
        many_devices: minimum of devices with the same private address that are a finding.
        few_devices: maximum of devices that share a public address to be a finding; at least two
            must share it.
        certificate_days: days from the pull within which a certificate that ends is a finding.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    stale_days: Annotated[int, Field(ge=1)] = 30
    many_devices: Annotated[int, Field(ge=2)] = 10
    few_devices: Annotated[int, Field(ge=2)] = 5
    # Long enough to renew a certificate with every service provider.
    certificate_days: Annotated[int, Field(ge=1)] = 30


DEFAULT_THRESHOLDS = Thresholds()
