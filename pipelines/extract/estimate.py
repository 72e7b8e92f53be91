"""Estimate the number of calls of a pull from the totals on the first pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from pipelines.jumpcloud.endpoints import (
    DIRECT_BINDINGS,
    ENDPOINTS,
    SYSTEMGROUPS,
    SYSTEMGROUPS_ASSOCIATIONS,
    SYSTEMS_ASSOCIATIONS,
    USERS_ASSOCIATIONS,
    Endpoint,
)

LESS_CALLS = 'direct_bindings = "report" takes fewer, and "off" none'


@dataclass(frozen=True)
class Plan:
    """Number of system groups, and of calls if every list of a record fits on one page.

    Attributes:
        groups: number of system groups.
        calls: number of calls.
        direct_calls: number of these calls that read direct bindings.
    """

    groups: int
    calls: int
    direct_calls: int = 0

    def __str__(self) -> str:
        """Return the text to show to a user."""
        text = f"{self.groups:,} groups: about {self.calls:,} calls"
        if not self.direct_calls:
            return text
        part = f"{self.direct_calls:,} of them for bindings of users to single devices"
        return f"{text}, {part} ({LESS_CALLS})"

    def with_calls(self, calls: int) -> "Plan":
        """Return the plan with further calls, such as those for a report."""
        return replace(self, calls=self.calls + calls)

    def describe_time(self, calls_per_second: float) -> str:
        """Return the time that the calls take at a rate, as the text to show to a user."""
        text = f"about {_minutes(self.calls, calls_per_second)}"
        if self.direct_calls:
            part = _minutes(self.direct_calls, calls_per_second)
            text += f", {part} of them for single devices,"
        return f"{text} at {calls_per_second:.0f} calls/s, the rate of the last run"


def _minutes(calls: int, calls_per_second: float) -> str:
    minutes = ceil(calls / calls_per_second / 60)
    return f"{minutes:,} min"


def choose_binding_list(endpoints: Sequence[Endpoint], totals: Mapping[str, int]) -> list[Endpoint]:
    """Return the endpoints without the list of direct bindings that takes more calls.

    Args:
        endpoints: endpoints that the settings include.
        totals: number of records of each endpoint without parent.
    """
    lists = [one for one in endpoints if one in (USERS_ASSOCIATIONS, SYSTEMS_ASSOCIATIONS)]
    best = min(lists, key=lambda one: totals[one.parent], default=None)
    return [one for one in endpoints if one not in lists or one is best]


def estimate_calls(
    totals: dict[str, int],
    limits: dict[str, int],
    endpoints: Sequence[Endpoint],
    targets: int,
    devices: int | None = None,
) -> Plan:
    """Estimate the calls of a pull.

    Args:
        totals: number of records of each endpoint without parent.
        limits: rows per page of each of them.
        endpoints: endpoints of the pull, with one list of direct bindings at most.
        targets: number of association targets; each is one list per group, although the API may
            accept several in one list.
        devices: number of systems with direct bindings to read; None for all of them.
    """
    calls = sum(
        _count_pages(total, limits[name], ENDPOINTS[name]) for name, total in totals.items()
    )
    direct_calls = 0
    for endpoint in endpoints:
        if not endpoint.parent:
            continue
        lists = totals[endpoint.parent]
        if endpoint is SYSTEMGROUPS_ASSOCIATIONS:
            lists *= targets
        elif endpoint is SYSTEMS_ASSOCIATIONS and devices is not None:
            lists = devices
        calls += lists
        if endpoint in DIRECT_BINDINGS:
            direct_calls += lists
    return Plan(totals[SYSTEMGROUPS.name], calls, direct_calls)


def _count_pages(total: int, limit: int, endpoint: Endpoint) -> int:
    if total <= limit:
        return 1
    if endpoint.sorted_by_key:
        # Each page repeats a row of the page before, as proof that none is missing.
        return ceil((total - 1) / (limit - 1))
    return ceil(total / limit)
