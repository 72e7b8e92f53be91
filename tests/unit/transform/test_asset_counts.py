"""Counts of reached systems, users and applications equal those of a plain walk of the graph."""

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.sql import in_memory
from tests.support.arrow import Row, run_transform

Edges = set[tuple[int, int]]
APPLICATIONS_PULLED: list[Row] = [{"endpoint": "applications"}, {"endpoint": "applications_users"}]


@pytest.fixture(autouse=True, scope="module")
def one_database() -> Iterator[None]:
    """Let all transforms share one database, which takes less time to open."""
    with in_memory():
        yield


def edges(first: int, second: int) -> st.SearchStrategy[Edges]:
    return st.sets(st.tuples(st.integers(0, first), st.integers(0, second)), max_size=40)


def rows(pairs: Edges, first: str, second: str) -> list[Row]:
    names = {first: first[0], second: second[0]}
    return [
        {name: f"{names[name]}{number}" for name, number in zip(names, pair, strict=True)}
        for pair in pairs
    ]


def join(left: Edges, right: Edges) -> Edges:
    """Return the pairs that share the right end of `left` and the left end of `right`."""
    return {(start, end) for start, middle in left for other, end in right if middle == other}


def swap(pairs: Edges) -> Edges:
    return {(second, first) for first, second in pairs}


def counts(table: list[Row], key: str, count: str) -> dict[object, object]:
    return {row[key]: row[count] for row in table}


def expected(prefix: str, present: Iterable[int], pairs: Edges) -> dict[object, object]:
    return {
        f"{prefix}{number}": len({end for start, end in pairs if start == number})
        for number in present
    }


# More than 64 users, systems and applications, so that sets of them take several words.
MANY = {(group, number) for group in range(3) for number in range(group, 200, group + 1)}


@pytest.mark.slow
@settings(max_examples=10)
@given(edges(4, 12), edges(4, 12), edges(5, 12))
@example(MANY, MANY, {(number, number % 7) for number in range(150)})
@example({(0, 1)}, {(0, 1), (1, 2)}, {(0, 9)})
def test_counts_equal_those_of_a_walk(members: Edges, bindings: Edges, holders: Edges) -> None:
    """Members and bindings are pairs with a group, holders are pairs of application and user."""
    inputs = {
        "completeness": APPLICATIONS_PULLED,
        "system_group_members": rows(members, "group_id", "system_id"),
        "system_group_users": rows(bindings, "group_id", "user_id"),
        "application_users": rows(holders, "application_id", "user_id"),
    }
    applications: list[Row] = [{"_id": f"a{number}"} for number, _ in holders]
    reached = join(swap(members), bindings)  # system, user
    systems = {system for _, system in members}
    users = {user for _, user in bindings | holders}

    table = run_transform("systems", **inputs)
    assert counts(table, "system_id", "user_count") == expected("s", systems, reached)
    accessible = join(reached, swap(holders))
    assert counts(table, "system_id", "application_count") == expected("s", systems, accessible)
    table = run_transform("users", **inputs)
    assert counts(table, "user_id", "system_count") == expected("u", users, swap(reached))
    distinct: list[Row] = list({row["_id"]: row for row in applications}.values())
    table = run_transform("applications", applications=distinct, **inputs)
    assert counts(table, "application_id", "system_count") == expected(
        "a", {application for application, _ in holders}, swap(accessible)
    )
