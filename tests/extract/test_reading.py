"""A list is read to its end, and proven, whatever happens to it meanwhile."""

import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.extract.completeness import Completeness, ListId
from pipelines.extract.errors import IncompleteError
from pipelines.extract.reading import Reading
from pipelines.extract.records import Page

SCHEMA = pa.schema({"id": pa.string()})
Keys = list[str | None]  # None is a hole: a deleted member that is counted but not delivered


def page(keys: Keys, skip: int, limit: int, total: int | None) -> Page:
    """The page that JumpCloud would answer from the list as it is now."""
    present = [key for key in keys[skip : skip + limit] if key is not None]
    rows = pa.RecordBatch.from_pylist([{"id": key} for key in present], schema=SCHEMA)
    return Page(skip, limit, total, tuple((key,) for key in present), rows)


def read(keys: Keys, limit: int = 10, *, is_sorted: bool = False) -> tuple[Completeness, list[str]]:
    """Read a list that stays as it is."""
    reading = Reading(ListId("list"), limit, is_sorted)
    waiting = reading.start()
    while waiting:
        waiting += reading.accept(page(keys, waiting.pop(0), limit, len(keys)))
    assert reading.result
    return reading.result, received(reading)


def received(reading: Reading) -> list[str]:
    return [row["id"] for batch in reading.rows() for row in batch.to_pylist()]


def numbered(count: int) -> list[str | None]:
    return [f"{number:04}" for number in range(count)]


@given(st.lists(st.booleans(), max_size=120), st.integers(2, 20))
def test_holes_never_end_a_list(present: list[bool], limit: int) -> None:
    keys = [
        key if is_there else None for key, is_there in zip(numbered(200), present, strict=False)
    ]
    proof, rows = read(keys, limit)
    assert rows == [key for key in keys if key is not None]
    assert (proof.proof, proof.holes, proof.expected) == ("total", keys.count(None), len(keys))


@given(st.integers(0, 120), st.integers(2, 20))
def test_a_sorted_list_costs_one_row_of_overlap_a_page(count: int, limit: int) -> None:
    proof, rows = read(numbered(count), limit, is_sorted=True)
    assert rows == numbered(count)
    assert (proof.received, proof.duplicates, proof.rereads) == (count, 0, 0)
    assert proof.pages == max(1, -(-(count - 1) // (limit - 1)))
    assert proof.proof == ("total" if proof.pages == 1 else "overlap")


@given(
    count=st.integers(0, 80),
    limit=st.integers(4, 12),
    edits=st.lists(st.tuples(st.booleans(), st.integers(0, 10_000)), max_size=60),
    order=st.randoms(use_true_random=False),
)
def test_a_record_that_is_there_all_the_time_is_read(
    count: int, limit: int, edits: list[tuple[bool, int]], order: random.Random
) -> None:
    """One record is inserted or deleted before every page, and pages arrive in any order."""
    keys = numbered(count)
    always = set(keys)
    reading = Reading(ListId("list"), limit, is_sorted=True)
    waiting = reading.start()
    while waiting:
        if edits:
            is_insert, position = edits.pop()
            if is_insert:
                keys = sorted({*keys, f"{position:05}"[:5]}, key=str)
            elif keys:
                always.discard(keys.pop(position % len(keys)))
        skip = waiting.pop(order.randrange(len(waiting)))
        waiting += reading.accept(page(keys, skip, limit, len(keys)))
    assert reading.result
    assert always <= set(received(reading))


def test_a_list_whose_total_moves_is_read_again() -> None:
    reading = Reading(ListId("list"), 2, is_sorted=False)
    reading.start()
    assert reading.accept(page(numbered(4), 0, 2, 4)) == [2]
    assert reading.accept(page(numbered(3), 2, 2, 3)) == [0]
    assert reading.accept(page(numbered(3), 0, 2, 3)) == [2]
    assert reading.accept(page(numbered(3), 2, 2, 3)) == []
    assert reading.result
    assert (reading.result.received, reading.result.rereads, reading.result.pages) == (3, 1, 4)


def test_a_list_that_never_stands_still_fails_by_name() -> None:
    reading = Reading(ListId("systemgroups_members", "64b0"), 2, is_sorted=False)
    waiting, total = reading.start(), 4
    with pytest.raises(IncompleteError, match=r"systemgroups_members/64b0: .*moves"):  # noqa: PT012
        for _ in range(100):
            total += 1
            waiting += reading.accept(page(numbered(4), waiting.pop(0), 2, total))


def test_rows_that_repeat_across_pages_are_read_again_before_they_are_believed() -> None:
    moved: Keys = ["a", "b", "b", "c"]  # d was there, but slid past
    still: Keys = ["a", "b", "c", "d"]
    reading = Reading(ListId("list"), 2, is_sorted=False)
    waiting = reading.start()
    for state in (moved, moved, still, still):
        waiting += reading.accept(page(state, waiting.pop(0), 2, 4))
    assert reading.result
    assert reading.result.rereads == 1
    assert sorted(received(reading)) == ["a", "b", "c", "d"]


def test_a_list_without_total_ends_at_an_empty_page() -> None:
    reading = Reading(ListId("list"), 2, is_sorted=False)
    waiting = reading.start()
    asked = []
    while waiting:
        asked.append(waiting.pop(0))
        waiting += reading.accept(page(numbered(3), asked[-1], 2, None))
    assert asked == [0, 2, 4]
    assert reading.result
    assert (reading.result.proof, reading.result.received) == ("empty page", 3)


def test_a_sort_that_the_server_ignores_is_noticed() -> None:
    keys: Keys = ["c", "a", "b", "e", "d"]
    proof, rows = read(keys, 2, is_sorted=True)
    assert sorted(rows) == ["a", "b", "c", "d", "e"]
    assert proof.proof == "total"


def test_an_absurd_total_is_refused() -> None:
    reading = Reading(ListId("list"), 2, is_sorted=False)
    reading.start()
    with pytest.raises(IncompleteError, match="announces 1,000,000,000,000 records"):
        reading.accept(page(numbered(2), 0, 2, 10**12))
