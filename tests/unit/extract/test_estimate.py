"""The estimated calls of a pull follow from the totals."""

from pipelines.extract.estimate import Plan, estimate_calls
from pipelines.jumpcloud.endpoints import ENDPOINTS

TOTALS = {
    "organizations": 1,
    "systemgroups": 150,
    "systems": 1999,
    "systemusers": 1000,
    "applications": 101,
}
LIMITS = {
    "organizations": 100,
    "systemgroups": 100,
    "systems": 1000,
    "systemusers": 1000,
    "applications": 100,
}


def test_estimate_adds_pages_and_child_lists() -> None:
    # Sorted lists overlap by one row: 1,999 systems are two pages of 1,000, and 2,000 are three.
    pages = 1 + 2 + 2 + 1 + 2
    child_lists = 150 + 150 + 5 * 150 + 101
    plan = estimate_calls(TOTALS, LIMITS, list(ENDPOINTS.values()), 5)
    assert plan == Plan(150, pages + child_lists)
    more = estimate_calls(TOTALS | {"systems": 2000}, LIMITS, list(ENDPOINTS.values()), 5)
    assert more.calls == plan.calls + 1


def test_estimate_without_details_reads_the_groups_only() -> None:
    endpoints = [endpoint for endpoint in ENDPOINTS.values() if not endpoint.is_detail]
    assert estimate_calls({"systemgroups": 0}, {"systemgroups": 100}, endpoints, 5) == Plan(0, 1)
    assert estimate_calls({"systemgroups": 3}, {"systemgroups": 100}, endpoints, 1) == Plan(3, 10)


def test_plan_is_shown_with_thousands_separators() -> None:
    assert str(Plan(1200, 9_876)) == "1,200 groups: about 9,876 calls"
