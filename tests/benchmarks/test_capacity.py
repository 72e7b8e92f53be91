"""The estimate of a run's cost against simulated organizations."""

import pytest

from benchmarks.capacity import Size
from benchmarks.organization import cheapest_calls
from pipelines.simulator import Sizes, generate
from tests.oracle.reach import Reach


@pytest.mark.parametrize(
    ("systems", "users", "groups", "applications"),
    [(40, 20, 6, 3), (400, 240, 25, 14), (2_000, 1_200, 60, 40)],
)
def test_calls_are_within_8_percent_of_the_plan(
    systems: int, users: int, groups: int, applications: int
) -> None:
    organization = generate(
        sizes=Sizes(systems=systems, users=users, system_groups=groups, applications=applications)
    )
    reach = Reach(organization)
    bound = [*reach.group_users.values(), *reach.application_users.values()]
    memberships = sum(map(len, organization.members.values()))
    user_groups = len(organization.user_groups)
    size = Size(
        systems, users, groups, user_groups, applications, memberships, sum(map(len, bound))
    )
    plan = cheapest_calls(organization, comma_targets=False)
    assert size.calls == pytest.approx(plan, rel=0.08)


def test_documented_run_is_estimated() -> None:
    size = Size.from_systems(99)
    assert size.calls == 149
    assert size.seconds == pytest.approx(25.8, abs=0.05)
    assert size.cpu_seconds == pytest.approx(5.6, abs=0.05)
    assert size.memory_bytes == pytest.approx(282 * 1024**2, rel=0.01)
