"""The published tables equal those computed from the simulated organization."""

from collections.abc import Callable
from typing import Literal

import pytest

from pipelines.jumpcloud.paginator import IncompleteError
from pipelines.schema.tables import INVENTORY_TABLES
from pipelines.schema.views import VIEWS
from pipelines.simulator import Behavior, Sizes, generate
from tests.oracle import expected_tables
from tests.support.edge_cases import edge_cases
from tests.support.publisher import Publisher, Pulled

NAMES = [table.name for table in INVENTORY_TABLES] + [view.name for view in VIEWS]
CommaTargets = Literal["refused", "accepted", "first_only"]


def assert_matches_oracle(
    publisher: Publisher, pulled: Pulled, expected: dict[str, list[dict[str, object]]]
) -> None:
    publisher.publish(pulled)
    for name in NAMES:
        assert publisher.table(name) == expected[name], name


def test_tables_and_views_match_oracle(pull: Callable[..., Pulled], publisher: Publisher) -> None:
    organization = generate()
    assert_matches_oracle(publisher, pull(organization), expected_tables(organization))


def test_pull_without_details_has_only_ids(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = edge_cases()
    pulled = pull(organization, details=False)
    assert_matches_oracle(publisher, pulled, expected_tables(organization, details=False))
    asked = {path.split("/")[3] for path in pulled.server.calls_by_path()}
    assert asked == {"systemgroups"}


def test_skipped_endpoint_is_not_requested_and_unknown(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = edge_cases()
    pulled = pull(organization, skip_endpoints=["applications_users"])
    assert not [path for path in pulled.server.calls_by_path() if "/applications/" in path]
    expected = expected_tables(organization)
    for name in ("application_users", "system_applications", "user_applications"):
        expected[name] = []
    for row in expected["systems"] + expected["users"]:
        row["application_count"] = None
    for row in expected["applications"]:
        row["user_count"] = row["system_count"] = None
    # A user that only an application refers to remains unknown.
    named = {row["user_id"] for row in expected_tables(organization, details=False)["users"]}
    expected["users"] = [
        row for row in expected["users"] if row["resolved"] or row["user_id"] in named
    ]
    assert_matches_oracle(publisher, pulled, expected)


def test_only_configured_association_targets_are_pulled(
    pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = edge_cases()
    targets = ("user_group", "policy")
    pulled = pull(organization, association_targets=list(targets))
    assert_matches_oracle(publisher, pulled, expected_tables(organization, associations=targets))


@pytest.mark.parametrize("comma_targets", ["refused", "accepted", "first_only"])
@pytest.mark.parametrize("search", [True, False])
def test_tables_do_not_depend_on_api_capabilities(
    comma_targets: CommaTargets, *, search: bool, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = edge_cases()
    behavior = Behavior(comma_targets=comma_targets, search=search)
    assert_matches_oracle(publisher, pull(organization, behavior), expected_tables(organization))


@pytest.mark.parametrize("cap", [7, 50])
def test_small_pages_lose_no_rows(
    cap: int, pull: Callable[..., Pulled], publisher: Publisher
) -> None:
    organization = edge_cases()
    behavior = Behavior(page_cap=cap, search_cap=cap)
    assert_matches_oracle(publisher, pull(organization, behavior), expected_tables(organization))


def test_deleted_members_of_small_groups_need_no_extra_calls(pull: Callable[..., Pulled]) -> None:
    """A page of the same size was received before, so these pages cannot have been truncated."""
    organization = generate(sizes=Sizes(systems=40, system_groups=5))
    groups = sorted(
        organization.members, key=lambda group: organization.system_groups[group]["name"]
    )
    kept, deleted = list(organization.systems)[:39], list(organization.systems)[39]
    for number, group in enumerate(groups):
        organization.members[group] = dict.fromkeys(kept if number == 0 else [*kept[:20], deleted])
    organization.remove_system(deleted)
    pulled = pull(organization, max_in_flight=1)
    assert len(pulled.pull.tables["systemgroups_members"]) == 39 + 4 * 20
    calls = pulled.server.calls_by_path()
    assert calls["/api/v2/systemgroups/{id}/members"] == len(groups)


def test_members_without_total_are_incomplete(pull: Callable[..., Pulled]) -> None:
    with pytest.raises(IncompleteError, match=r"systemgroups_members/.* announces no total"):
        pull(generate(), Behavior(totals=False))


def test_pull_sends_only_read_requests(pull: Callable[..., Pulled]) -> None:
    pulled = pull(generate())
    assert pulled.server.writes == []
    assert pulled.server.max_in_flight_seen <= 8
