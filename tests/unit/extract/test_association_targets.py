"""Association lists are read for every group and target, with as few lists as the API allows."""

import random
from collections import Counter
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.extract.association_targets import MAX_CANDIDATES, AssociationLists
from pipelines.jumpcloud.endpoints import ListId
from pipelines.jumpcloud.parsing import Key

TARGETS = ("user", "user_group", "policy")
Bound = set[str]  # the targets that a group has a binding of
Joins = Literal["accepted", "refused", "first_only"]


def binding(group_id: str, target: str) -> Key:
    return target, f"{target}-of-{group_id}"


def read(
    groups: dict[str, Bound], joins: Joins, order: random.Random | None = None
) -> tuple[AssociationLists, list[ListId]]:
    """Read all lists, oldest first or in random order, and return them without the probe."""
    associations = AssociationLists("associations", TARGETS)
    arriving = list(groups)
    waiting: list[ListId] = []
    done: list[ListId] = []
    while arriving or waiting:
        if arriving and (order is None or not waiting or order.random() < 0.5):
            waiting += associations.add_group(arriving.pop(0))
            continue
        list_id = waiting.pop(order.randrange(len(waiting)) if order else 0)
        targets = list_id.target.split(",")
        refused = len(targets) > 1 and joins == "refused"
        if joins == "first_only":
            targets = targets[:1]
        bound = [target for target in targets if target in groups[list_id.parent_id]]
        keys = frozenset(binding(list_id.parent_id, target) for target in bound)
        if not associations.is_probe(list_id):
            assert not refused
            done.append(list_id)
        if not associations.decided:
            waiting += associations.finish_list(list_id, None if refused else keys)
    return associations, done


def numbered(*bound: Bound) -> dict[str, Bound]:
    return {f"g{number}": targets for number, targets in enumerate(bound)}


def test_accepted_targets_are_joined_for_later_groups() -> None:
    everything = set(TARGETS)
    associations, done = read(numbered(everything, everything, set()), "accepted")
    assert associations.joined == TARGETS
    assert done == [
        *(ListId("associations", "g0", target) for target in TARGETS),
        ListId("associations", "g1", "user,user_group,policy"),
        ListId("associations", "g2", "user,user_group,policy"),
    ]


@pytest.mark.parametrize("joins", ["refused", "first_only"])
def test_targets_stay_separate_unless_accepted(joins: Joins) -> None:
    everything = set(TARGETS)
    associations, done = read(numbered(everything, everything), joins)
    assert (associations.joined, associations.decided) == ((), True)
    assert done == [
        ListId("associations", group, target) for group in ("g0", "g1") for target in TARGETS
    ]


def test_best_of_four_candidates_decides() -> None:
    groups = numbered(set(), {"user"}, {"user", "policy"}, set(), *[set(TARGETS)] * 3)
    associations, done = read(groups, "accepted")
    assert associations.joined == ("user", "policy")
    lists = Counter(list_id.parent_id for list_id in done)
    assert lists == {"g0": 3, "g1": 3, "g2": 3, "g3": 3, "g4": 2, "g5": 2, "g6": 2}


def test_candidates_without_two_targets_are_replaced() -> None:
    groups = numbered(*[{"user"}] * MAX_CANDIDATES, *[set(TARGETS)] * (MAX_CANDIDATES + 1))
    associations, done = read(groups, "accepted")
    assert associations.joined == TARGETS
    # All candidates are read one target at a time, and only the last group with one list.
    assert len(done) == 2 * MAX_CANDIDATES * len(TARGETS) + 1


def test_single_target_needs_no_probe() -> None:
    associations = AssociationLists("associations", ["user"])
    assert associations.decided
    assert associations.add_group("g0") == [ListId("associations", "g0", "user")]
    assert associations.joined == ()


@given(
    bound=st.lists(st.sets(st.sampled_from(TARGETS)), max_size=12),
    joins=st.sampled_from(["accepted", "refused", "first_only"]),
    order=st.randoms(use_true_random=False),
)
def test_every_target_of_every_group_is_read_once(
    bound: list[Bound], joins: Joins, order: random.Random
) -> None:
    groups = numbered(*bound)
    associations, done = read(groups, joins, order)
    assert joins == "accepted" or not associations.joined
    targets = [(item.parent_id, target) for item in done for target in item.target.split(",")]
    assert sorted(targets) == sorted((group, target) for group in groups for target in TARGETS)
