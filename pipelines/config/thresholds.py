"""The numbers from which on something is a finding: `[findings]` of the settings file."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Thresholds(BaseModel):
    """From where on something is a finding.

    Attributes:
        stale_days: a device without contact for longer than this, before the pull, is stale.
        many_devices: a private address on at least this many devices is shared.
        few_devices: a public address at which at least two and at most this many devices are seen
            is shared by a few.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    stale_days: Annotated[int, Field(ge=1)] = 30
    many_devices: Annotated[int, Field(ge=2)] = 10
    few_devices: Annotated[int, Field(ge=2)] = 5


DEFAULT_THRESHOLDS = Thresholds()
