"""The organization changes while it is read, between any two calls."""

from collections.abc import Callable

import pytest

from pipelines.extract.paginator import IncompleteError
from pipelines.simulator import Behavior, Organization, Sizes, generate
from tests.support.publisher import Pulled

SIZES = Sizes(systems=350, users=230, system_groups=3, user_groups=2, applications=2)
CALLS = 40  # a pull of such an organization sends fewer


def mutated_at(organization: Organization, calls: range) -> Behavior:
    """One system is added and one deleted, and likewise a user, before each of these calls."""

    def mutate(number: int, _: object) -> None:
        if number in calls:
            organization.remove_system(list(organization.systems)[number * 7 % 300])
            organization.add_system(hostname=f"new-{number}")
            organization.remove_user(list(organization.users)[number * 5 % 200])
            organization.add_user(username=f"new-{number}")

    return Behavior(search=False, on_call=mutate)


@pytest.mark.parametrize("number", range(1, CALLS))
def test_what_was_there_all_the_time_is_read_whenever_the_change_comes(
    number: int, pull: Callable[..., Pulled]
) -> None:
    organization = generate(sizes=SIZES)
    before = set(organization.systems), set(organization.users)
    pulled = pull(organization, mutated_at(organization, range(number, number + 1)))
    assert_read(pulled, organization, before)


def test_what_was_there_all_the_time_is_read_under_constant_change(
    pull: Callable[..., Pulled],
) -> None:
    lists_with_a_unique_order = Sizes(systems=350, users=230, system_groups=0, applications=0)
    organization = generate(sizes=lists_with_a_unique_order)
    before = set(organization.systems), set(organization.users)
    pulled = pull(organization, mutated_at(organization, range(1, 1000)))
    assert_read(pulled, organization, before)


def assert_read(
    pulled: Pulled, organization: Organization, before: tuple[set[str], set[str]]
) -> None:
    systems, users = before
    resolved = {row["_id"] for row in pulled.pull.tables["systems"].to_pylist()}
    assert systems & set(organization.systems) <= resolved
    resolved = {row["_id"] for row in pulled.pull.tables["systemusers"].to_pylist()}
    assert users & set(organization.users) <= resolved


def test_a_membership_list_that_never_stands_still_fails_by_name(
    pull: Callable[..., Pulled],
) -> None:
    organization = generate(sizes=SIZES)
    group = max(organization.members, key=lambda each: len(organization.members[each]))

    def grow(_: int, __: object) -> None:
        organization.add_member(group, organization.add_system())

    with pytest.raises(IncompleteError, match=f"systemgroups_members/{group}"):
        pull(organization, Behavior(on_call=grow))
