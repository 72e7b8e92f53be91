"""The estimate of a run's cost against simulated organizations."""

import pytest

from benchmarks.capacity import Size
from benchmarks.organization import cheapest_calls
from pipelines.simulator import Sizes, generate
from tests.oracle.reach import Reach


@pytest.mark.parametrize(
    ("systems", "users", "groups", "user_groups", "applications"),
    [(40, 20, 6, 4, 3), (400, 240, 25, 18, 14), (2_000, 1_200, 60, 40, 40)],
)
def test_calls_are_within_8_percent_of_the_plan(
    systems: int, users: int, groups: int, user_groups: int, applications: int
) -> None:
    sizes = Sizes(systems, users, groups, user_groups, applications)
    organization = generate(sizes=sizes)
    reach = Reach(organization)
    bound = (reach.group_users, reach.application_users, reach.user_group_members)
    bindings = sum(len(ids) for grants in bound for ids in grants.values())
    memberships = sum(map(len, organization.members.values()))
    for direct in (True, False):
        size = Size(
            systems, users, groups, applications, memberships, bindings, user_groups, direct=direct
        )
        plan = cheapest_calls(organization, comma_targets=False, direct_bindings=direct)
        assert size.calls == pytest.approx(plan, rel=0.08)


def test_documented_run_is_estimated() -> None:
    size = Size.from_systems(99)
    assert size.calls == 147
    assert size.seconds == pytest.approx(25.6, abs=0.05)
    assert size.cpu_seconds == pytest.approx(5.6, abs=0.05)
    assert size.memory_bytes == pytest.approx(282 * 1024**2, rel=0.01)
