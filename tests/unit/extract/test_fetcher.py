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
    sorted_lists_only = Sizes(
        systems=350, users=230, system_groups=0, user_groups=0, applications=0
    )
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


def bound(pulled: Pulled, endpoint: str) -> set[tuple[str, str]]:
    """Return the pairs of user, or user group, and system in a raw table of direct bindings."""
    rows = pulled.pull.tables[endpoint].to_pylist()
    if endpoint == "systems_associations":
        return {(row["to"]["id"], row["system_id"]) for row in rows}
    return {(row.get("user_id") or row["user_group_id"], row["to"]["id"]) for row in rows}


@pytest.mark.parametrize("users", [20, 40])
def test_direct_bindings_are_complete_from_either_end(
    users: int, pull: Callable[..., Pulled]
) -> None:
    organization = generate(sizes=Sizes(systems=30, users=users, user_groups=9, direct_bindings=25))
    pulled = pull(organization)
    chosen, other = ("users", "systems") if users < 30 else ("systems", "users")
    read = {endpoint.name for endpoint in pulled.pull.scope.endpoints}
    assert f"{chosen}_associations" in read
    assert f"{other}_associations" not in read
    for endpoint, sources in (
        (f"{chosen}_associations", organization.user_systems),
        ("usergroups_associations", organization.user_group_systems),
    ):
        expected = {(source, system) for source, bound in sources.items() for system in bound}
        assert expected
        assert bound(pulled, endpoint) == expected
    assert pulled.pull.tables[f"{other}_associations"].num_rows == 0
    groups = pulled.pull.tables["usergroups"].to_pylist()
    assert {row["id"] for row in groups} == set(organization.user_groups)
    assert any('{"field":"department"' in (row["memberQuery"] or "") for row in groups)
    assert len(pulled.pull.tables["radiusservers"]) == len(organization.radius_servers)
    published = str([table.to_pylist() for table in pulled.pull.tables.values()])
    assert not [secret for secret in organization.secrets() if secret in published]


def test_refused_binding_list_is_asked_of_few_users_only(
    pull: Callable[..., Pulled],
) -> None:
    organization = generate(sizes=Sizes(systems=900, users=600, system_groups=2, user_groups=3))
    asked: list[str] = []
    behavior = Behavior(denied={"users/associations"})
    behavior.on_call = lambda _, call: asked.append(call.path)
    pulled = pull(organization, behavior)
    refused = [path for path in asked if path.startswith("/api/v2/users/")]
    assert 0 < len(refused) < 60
    assert list(pulled.pull.refusals) == ["users_associations"]
    assert "associations.users.readonly" in pulled.pull.refusals["users_associations"]
    assert "users_associations" not in pulled.pull.completeness["endpoint"].to_pylist()
    assert "users_associations" not in {one.name for one in pulled.pull.scope.endpoints}


def test_names_and_direct_bindings_cost_what_is_planned(pull: Callable[..., Pulled]) -> None:
    sizes = Sizes(systems=50, users=30, system_groups=24, user_groups=6, applications=6)
    organization = generate(sizes=sizes)
    named = ["usergroups", "policies", "policygroups", "commands", "radiusservers"]
    without = pull(organization, direct_bindings="off", skip_endpoints=named)
    off = pull(organization, direct_bindings="off")
    read = pull(organization)
    calls = [pulled.server.calls_by_path().total() for pulled in (without, off, read)]
    assert calls[1] <= 1.07 * calls[0]
    assert calls[2] - calls[1] == sizes.users + sizes.user_groups
    for pulled, total in zip((without, off, read), calls, strict=True):
        assert pulled.pull.plan
        assert pulled.pull.plan.calls == pytest.approx(total, rel=0.03)
    direct = {f"/api/v2/{parent}/{{id}}/associations" for parent in ("users", "usergroups")}
    assert read.server.calls_by_path().keys() - off.server.calls_by_path().keys() == direct
    planned = [one.pull.plan.direct_calls for one in (off, read) if one.pull.plan]
    assert planned == [0, sizes.users + sizes.user_groups]
    assert "usergroups_members" in {endpoint.name for endpoint in off.pull.scope.endpoints}
