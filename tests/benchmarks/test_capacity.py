"""The model of many organizations: what must hold whatever its figures are."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.capacity import Costs, Size
from benchmarks.cases.capacity import COSTS, count_runs, least_workers, population
from benchmarks.fleet import Fleet, Run, simulate
from benchmarks.plan import cheapest_calls
from pipelines.simulator import Sizes, generate
from pipelines.simulator.oracle.reach import Reach

CALLS = st.lists(st.integers(1, 2_000), min_size=1, max_size=40)
COST = st.builds(
    Costs,
    start_cpu=st.floats(0, 10),
    call_cpu=st.floats(0, 0.1),
    publish_cpu=st.floats(0, 10),
    storage=st.floats(0, 10),
    latency=st.floats(0.001, 2),
    in_flight=st.integers(1, 64),
    rate=st.floats(0.5, 1_000),
)


class Shape(NamedTuple):
    systems: int
    users: int
    groups: int
    applications: int


def own_keys(calls: list[int]) -> list[Run]:
    return [Run(key, each) for key, each in enumerate(calls)]


@pytest.mark.parametrize(
    "shape", [Shape(40, 20, 6, 3), Shape(400, 240, 25, 14), Shape(2_000, 1_200, 60, 40)]
)
def test_the_calls_are_those_that_an_organization_takes(shape: Shape) -> None:
    organization = generate(
        sizes=Sizes(
            systems=shape.systems,
            users=shape.users,
            system_groups=shape.groups,
            applications=shape.applications,
        )
    )
    reach = Reach(organization)
    bound = [*reach.group_members.values(), *reach.holders_of.values()]
    memberships = sum(map(len, organization.members.values()))
    size = Size(*shape, memberships=memberships, bindings=sum(map(len, bound)))
    assert size.calls == pytest.approx(cheapest_calls(organization, comma_targets=False), rel=0.08)


@given(calls=CALLS, costs=COST)
def test_one_worker_takes_the_sum_of_the_runs(calls: list[int], costs: Costs) -> None:
    outcome = simulate(own_keys(calls), Fleet(1, launch=0.0), costs)
    assert outcome.last == pytest.approx(sum(map(costs.run_seconds, calls)))
    assert len(outcome.published) == len(calls)


@given(calls=CALLS, costs=COST, workers=st.integers(1, 20))
def test_more_workers_are_never_later(calls: list[int], costs: Costs, workers: int) -> None:
    fewer, more = (
        simulate(own_keys(calls), Fleet(number, workers_per_machine=1, launch=0.0), costs).last
        for number in (workers, workers + 1)
    )
    assert more <= fewer * (1 + 1e-9)


@given(calls=CALLS, costs=COST, workers=st.integers(1, 40))
def test_a_shared_key_sends_no_faster_than_its_rate(
    calls: list[int], costs: Costs, workers: int
) -> None:
    runs = [Run(0, each) for each in calls]
    outcome = simulate(runs, Fleet(workers, workers_per_machine=1, launch=0.0), costs)
    assert outcome.last >= sum(calls) / costs.rate * (1 - 1e-9)


def test_a_shared_key_is_used_to_the_full_where_workers_are_enough() -> None:
    costs = Costs(rate=8.0)
    outcome = simulate([Run(0, 400)] * 50, Fleet(20, launch=0.0), costs)
    assert outcome.last == pytest.approx(50 * 400 / 8.0, rel=0.01)


@given(calls=CALLS, costs=COST, workers=st.integers(1, 8))
def test_a_machine_computes_no_faster_than_its_cores(
    calls: list[int], costs: Costs, workers: int
) -> None:
    fleet = Fleet(workers, workers_per_machine=8, cores=2, launch=0.0)
    outcome = simulate(own_keys(calls), fleet, costs)
    assert outcome.last >= sum(map(costs.cpu_seconds, calls)) / 2 * (1 - 1e-9)


def test_what_services_compute_slows_a_full_machine_and_no_other() -> None:
    runs, costs = own_keys([50] * 100), Costs(rate=1_000.0, storage=0.0)
    one, one_beside, two, two_beside = (
        simulate(runs, Fleet(workers, launch=0.0, services_cpu=services), costs).last
        for workers in (1, 2)
        for services in (0.0, 1.0)
    )
    assert one_beside == pytest.approx(one)
    assert two_beside == pytest.approx(two + 50, rel=0.02)


def test_runs_of_a_lost_machine_are_published_later_and_once() -> None:
    runs = count_runs(population(500), per_key=1)
    calm = simulate(runs, Fleet(4), COSTS)
    bad = simulate(runs, Fleet(4, between_losses=300.0), COSTS)
    assert (calm.lost, bad.lost > 5) == (0, True)
    assert len(bad.published) == len(calm.published) == len(runs)
    assert bad.last > calm.last


def test_the_same_seed_gives_the_same_outcome() -> None:
    runs, fleet = count_runs(population(200), per_key=20), Fleet(4, between_losses=600.0)
    assert simulate(runs, fleet, COSTS, seed=7) == simulate(runs, fleet, COSTS, seed=7)
    assert simulate(runs, fleet, COSTS, seed=7) != simulate(runs, fleet, COSTS, seed=8)


def test_the_fewest_workers_are_enough_and_one_less_is_not() -> None:
    runs = count_runs(population(300), per_key=1)
    found = least_workers(runs, within=1_800.0)
    assert found is not None
    workers, outcome = found
    assert outcome.last <= 1_800.0
    assert simulate(runs, Fleet(workers - 1), COSTS).last > 1_800.0


def test_no_number_of_workers_makes_up_for_a_key() -> None:
    runs = count_runs(population(300), per_key=300)
    assert least_workers(runs, within=sum(each.calls for each in runs) / COSTS.rate - 1) is None
