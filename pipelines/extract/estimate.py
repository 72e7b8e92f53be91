"""How many calls a pull will take, as soon as the first pages have said how much there is."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from pipelines.jumpcloud.endpoints import (
    ENDPOINTS,
    SYSTEMGROUPS,
    SYSTEMGROUPS_ASSOCIATIONS,
    Endpoint,
)


@dataclass(frozen=True)
class Plan:
    """What is to be read: the number of system groups, and of calls if every list is short."""

    groups: int
    calls: int

    def __str__(self) -> str:
        """In words."""
        return f"{self.groups:,} groups: about {self.calls:,} calls"


def estimate_calls(
    totals: dict[str, int], limits: dict[str, int], endpoints: Sequence[Endpoint], targets: int
) -> Plan:
    """The plan for lists of these lengths.

    Args:
        totals: announced records of each endpoint without parent.
        limits: rows per page of each of them.
        endpoints: what is pulled.
        targets: association targets, each a list of its own per group unless the API joins them.
    """
    calls = sum(pages(total, limits[name], ENDPOINTS[name]) for name, total in totals.items())
    for endpoint in endpoints:
        if endpoint.parent:
            each = targets if endpoint is SYSTEMGROUPS_ASSOCIATIONS else 1
            calls += each * totals[endpoint.parent]
    return Plan(totals[SYSTEMGROUPS.name], calls)


def pages(total: int, limit: int, endpoint: Endpoint) -> int:
    """Pages of a list: sorted lists repeat one row per page as the proof that none is missing."""
    if total <= limit:
        return 1
    if endpoint.sorted_by_key:
        return ceil((total - 1) / (limit - 1))
    return ceil(total / limit)
