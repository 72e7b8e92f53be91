"""An organization that changes between two calls is read completely."""

from collections.abc import Callable

import pytest

from pipelines.jumpcloud.paginator import IncompleteError
from pipelines.simulator import Behavior, Call, Organization, Sizes, generate
from tests.support.publisher import Pulled

SIZES = Sizes(systems=350, users=230, system_groups=3, user_groups=2, applications=2)
CALLS = 40  # a pull of such an organization sends fewer


def mutate_before(organization: Organization, calls: range) -> Behavior:
    """Add and delete a system and a user before each of these calls."""

    def mutate(number: int, _: object) -> None:
        if number in calls:
            organization.remove_system(list(organization.systems)[number * 7 % 300])
            organization.add_system(hostname=f"new-{number}")
            organization.remove_user(list(organization.users)[number * 5 % 200])
            organization.add_user(username=f"new-{number}")

    return Behavior(search=False, on_call=mutate)


@pytest.mark.parametrize("number", range(1, CALLS))
def test_records_that_stay_are_read_when_others_change_once(
    number: int, pull: Callable[..., Pulled]
) -> None:
    organization = generate(sizes=SIZES)
    before = set(organization.systems), set(organization.users)
    pulled = pull(organization, mutate_before(organization, range(number, number + 1)))
    assert_read(pulled, organization, before)


def test_records_that_stay_are_read_under_constant_change(
    pull: Callable[..., Pulled],
) -> None:
    sorted_lists_only = Sizes(systems=350, users=230, system_groups=0, applications=0)
    organization = generate(sizes=sorted_lists_only)
    before = set(organization.systems), set(organization.users)
    pulled = pull(organization, mutate_before(organization, range(1, 1000)))
    assert_read(pulled, organization, before)


def assert_read(
    pulled: Pulled, organization: Organization, before: tuple[set[str], set[str]]
) -> None:
    systems, users = before
    resolved = {row["_id"] for row in pulled.pull.tables["systems"].to_pylist()}
    assert systems & set(organization.systems) <= resolved
    resolved = {row["_id"] for row in pulled.pull.tables["systemusers"].to_pylist()}
    assert users & set(organization.users) <= resolved


def test_member_list_that_always_changes_fails_with_its_name(
    pull: Callable[..., Pulled],
) -> None:
    organization = generate(sizes=SIZES)
    group = max(organization.members, key=lambda group_id: len(organization.members[group_id]))

    def grow(_: int, __: object) -> None:
        organization.add_member(group, organization.add_system())

    with pytest.raises(IncompleteError, match=f"systemgroups_members/{group}"):
        pull(organization, Behavior(on_call=grow))


def test_empty_list_without_the_total_of_others_fails(pull: Callable[..., Pulled]) -> None:
    organization = generate(sizes=SIZES)
    empty = organization.add_group("Empty")
    behavior = Behavior()

    def hide_total(_: int, call: Call) -> None:
        behavior.totals = not call.path.endswith(f"{empty}/users")

    behavior.on_call = hide_total
    with pytest.raises(IncompleteError, match=f"systemgroups_users/{empty}: it is empty"):
        pull(organization, behavior, max_in_flight=1)


@pytest.mark.parametrize(
    ("emptied", "list_name"), [("systems", "systems"), ("users", "systemusers")]
)
def test_empty_list_of_records_that_exist_fails(
    emptied: str, list_name: str, pull: Callable[..., Pulled]
) -> None:
    organization = generate(sizes=Sizes(systems=9, users=9, system_groups=2, applications=1))
    with pytest.raises(IncompleteError, match=f"{list_name}: it is empty, but .* exists"):
        pull(organization, Behavior(emptied={emptied}))
    # Ids that only a group knows are no contradiction.
    for record_id in list(getattr(organization, emptied)):
        organization.vanished.add(record_id)
    pulled = pull(organization, Behavior(emptied={emptied}))
    assert pulled.pull.tables[list_name].num_rows == 0
