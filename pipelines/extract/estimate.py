"""Estimate the number of calls of a pull from the totals on the first pages."""

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
    """Number of system groups, and of calls if every list of a group fits on one page."""

    groups: int
    calls: int

    def __str__(self) -> str:
        """Return the text to show to a user."""
        return f"{self.groups:,} groups: about {self.calls:,} calls"


def estimate_calls(
    totals: dict[str, int], limits: dict[str, int], endpoints: Sequence[Endpoint], targets: int
) -> Plan:
    """Estimate the calls of a pull.

    Args:
        totals: number of records of each endpoint without parent.
        limits: rows per page of each of them.
        endpoints: endpoints of the pull.
        targets: number of association targets; each is one list per group, although the API may
            accept several in one list.
    """
    calls = sum(
        _count_pages(total, limits[name], ENDPOINTS[name]) for name, total in totals.items()
    )
    for endpoint in endpoints:
        if endpoint.parent:
            lists = targets if endpoint is SYSTEMGROUPS_ASSOCIATIONS else 1
            calls += lists * totals[endpoint.parent]
    return Plan(totals[SYSTEMGROUPS.name], calls)


def _count_pages(total: int, limit: int, endpoint: Endpoint) -> int:
    if total <= limit:
        return 1
    if endpoint.sorted_by_key:
        # Each page repeats a row of the page before, as proof that none is missing.
        return ceil((total - 1) / (limit - 1))
    return ceil(total / limit)
