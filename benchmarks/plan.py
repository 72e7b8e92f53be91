"""The cheapest complete plan of calls (docs/reference/jumpcloud-api.md, section 13)."""

from collections import Counter

from pipelines.simulator import Organization
from pipelines.simulator.oracle.reach import Reach

PAGE = 100
SEARCH_PAGE = 1000
ALL_TARGETS = ("user", "user_group", "policy", "policy_group", "command")


def cheapest_calls(organization: Organization, *, comma_targets: bool) -> int:
    """Calls that can carry all data: none is sent twice, none to find out what the API accepts.

    Args:
        organization: as it is served; members that were deleted still fill pages.
        comma_targets: whether one call may ask for the associations of all target types.
    """
    reach = Reach(organization)
    once = (
        1
        + _pages(len(organization.system_groups))
        + _pages(len(organization.systems), SEARCH_PAGE)
        + _pages(len(organization.users), SEARCH_PAGE)
        + _pages(len(organization.applications))
    )
    members = sum(_pages(len(ids)) for ids in organization.members.values())
    users = sum(_pages(len(ids)) for ids in reach.group_members.values())
    holders = sum(_pages(len(ids)) for ids in reach.holders_of.values())
    associations = sum(
        _association_pages(organization, group_id, comma_targets=comma_targets)
        for group_id in organization.system_groups
    )
    return once + members + users + holders + associations


def _association_pages(organization: Organization, group_id: str, *, comma_targets: bool) -> int:
    found = Counter(kind for kind, _ in organization.bindings[group_id])
    if comma_targets:
        return _pages(found.total())
    return sum(_pages(found[target]) for target in ALL_TARGETS)


def _pages(records: int, size: int = PAGE) -> int:
    """Pages of a list; an empty one takes a call too."""
    return max(1, -(-records // size))
