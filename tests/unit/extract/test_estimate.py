"""The estimated calls of a pull follow from the totals."""

from pipelines.extract.estimate import Plan, choose_binding_list, estimate_calls
from pipelines.jumpcloud.endpoints import ENDPOINTS, SYSTEMS_ASSOCIATIONS, USERS_ASSOCIATIONS

TOTALS = {
    "organizations": 1,
    "systemgroups": 150,
    "systems": 1999,
    "systemusers": 1000,
    "applications": 101,
    "usergroups": 30,
    "policies": 7,
    "policygroups": 0,
    "commands": 101,
    "radiusservers": 1,
}
LIMITS = {
    "organizations": 100,
    "systemgroups": 100,
    "systems": 1000,
    "systemusers": 1000,
    "applications": 100,
    **dict.fromkeys(("usergroups", "policies", "policygroups", "commands", "radiusservers"), 100),
}
ALL = choose_binding_list(list(ENDPOINTS.values()), TOTALS)


def test_estimate_adds_pages_and_child_lists() -> None:
    # Sorted lists overlap by one row: 1,999 systems are two pages of 1,000, and 2,000 are three.
    pages = (1 + 2 + 2 + 1 + 2) + (1 + 1 + 1 + 2 + 1)
    child_lists = 150 + 150 + 5 * 150 + 101 + 30
    direct = 30 + 1000
    plan = estimate_calls(TOTALS, LIMITS, ALL, 5)
    assert plan == Plan(150, pages + child_lists + direct, direct)
    more = estimate_calls(TOTALS | {"systems": 2000}, LIMITS, ALL, 5)
    assert more.calls == plan.calls + 1


def test_direct_bindings_are_read_from_the_shorter_end() -> None:
    both = [USERS_ASSOCIATIONS, SYSTEMS_ASSOCIATIONS]
    assert choose_binding_list(both, {"systemusers": 3, "systems": 3}) == both[:1]
    assert choose_binding_list(both, {"systemusers": 4, "systems": 3}) == both[1:]
    assert choose_binding_list(both[:1], {"systemusers": 4}) == both[:1]


def test_estimate_without_details_reads_the_groups_only() -> None:
    endpoints = [endpoint for endpoint in ENDPOINTS.values() if not endpoint.is_detail]
    assert estimate_calls({"systemgroups": 0}, {"systemgroups": 100}, endpoints, 5) == Plan(0, 1)
    assert estimate_calls({"systemgroups": 3}, {"systemgroups": 100}, endpoints, 1) == Plan(3, 10)


def test_plan_is_shown_with_thousands_separators() -> None:
    assert str(Plan(1200, 9_876)) == "1,200 groups: about 9,876 calls"
    assert "4,000 of them" in str(Plan(1200, 9_876, 4000))
    assert 'direct_bindings = "report" takes fewer' in str(Plan(1200, 9_876, 4000))


def test_time_of_a_plan_follows_from_the_rate() -> None:
    assert (
        Plan(9, 4_810, 600)
        .describe_time(8.2)
        .startswith("about 10 min, 2 min of them for single devices, at 8 calls/s")
    )
    assert Plan(9, 481).describe_time(8.0).startswith("about 2 min at 8 calls/s")
