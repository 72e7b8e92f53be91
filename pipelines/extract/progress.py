"""How far a pull is, and what it covers."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.extract.estimate import Plan
from pipelines.jumpcloud.client import CallCounts
from pipelines.jumpcloud.endpoints import (
    Endpoint,
)


@dataclass(frozen=True)
class Progress:
    """How far a pull is.

    Attributes:
        lists_done: lists read to their end.
        lists_known: lists known so far.
        counts: calls sent so far.
        plan: what is to be read; None until the first pages have said how much there is.
    """

    lists_done: int
    lists_known: int
    counts: CallCounts
    plan: Plan | None


@dataclass(frozen=True)
class Scope:
    """What is pulled: these endpoints, and associations with these types of targets."""

    endpoints: Sequence[Endpoint]
    targets: Sequence[str]
