"""A list is read to its end, and proven, whatever happens to it meanwhile."""

import random
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.extract.completeness import Completeness
from pipelines.extract.overlap import pages_overlap, probe_offset
from pipelines.extract.paginator import IncompleteError, OffsetPaginator
from pipelines.jumpcloud.endpoints import ListId
from pipelines.jumpcloud.parsing import Page

SCHEMA = pa.schema({"id": pa.string()})
Keys = list[str | None]  # None is a hole: a deleted member that is counted but not delivered


def page(keys: Keys, skip: int, limit: int, total: int | None, asked: int | None = None) -> Page:
    """The page that JumpCloud would answer from the list as it is now."""
    present = [key for key in keys[skip : skip + limit] if key is not None]
    rows = pa.RecordBatch.from_pylist([{"id": key} for key in present], schema=SCHEMA)
    return Page(skip, asked or limit, total, tuple((key,) for key in present), rows)


def read(
    keys: Keys,
    limit: int = 10,
    *,
    cap: int = 1000,
    is_sorted: bool = False,
    holes: bool = False,
    most_sent: int = 0,
) -> tuple[Completeness, list[str]]:
    """Read a list that stays as it is, from a server that sends `cap` rows a page at most."""
    reading = OffsetPaginator(
        ListId("list"),
        limit,
        is_sorted=is_sorted,
        may_have_holes=holes,
        most_sent=most_sent,
    )
    waiting = reading.start()
    while waiting:
        size = min(reading.limit, cap)
        waiting += reading.accept(page(keys, waiting.pop(0), size, len(keys), reading.limit))
    assert reading.result
    return reading.result, received(reading)


def received(reading: OffsetPaginator) -> list[str]:
    return [row["id"] for batch in reading.rows() for row in batch.to_pylist()]


def numbered(count: int) -> list[str | None]:
    return [f"{number:04}" for number in range(count)]


@given(st.lists(st.booleans(), max_size=120), st.integers(3, 20))
def test_holes_never_end_a_list(present: list[bool], limit: int) -> None:
    keys = [
        key if is_there else None for key, is_there in zip(numbered(200), present, strict=False)
    ]
    proof, rows = read(keys, limit, holes=True)
    assert rows == [key for key in keys if key is not None]
    assert (proof.proof, proof.holes, proof.expected) == ("total", keys.count(None), len(keys))


def test_a_border_that_is_a_hole_costs_one_page() -> None:
    keys = [None if number in {9, 10, 36} else key for number, key in enumerate(numbered(50))]
    proof, rows = read(keys, 10, holes=True, most_sent=10)
    assert rows == [key for key in keys if key is not None]
    assert (proof.pages, proof.rereads, proof.holes) == (6 + 2, 0, 3)


@pytest.mark.parametrize(("most_sent", "pages"), [(0, 2), (5, 2), (6, 1)])
def test_only_a_page_larger_than_any_sent_may_be_cut_short(most_sent: int, pages: int) -> None:
    """Six members are announced; where six rows came in one page before, one is deleted."""
    proof, rows = read([*numbered(5), None], 10, holes=True, most_sent=most_sent)
    assert rows == numbered(5)
    assert (proof.pages, proof.holes) == (pages, 1)


def test_a_group_whose_only_member_was_deleted_costs_one_call() -> None:
    proof, rows = read([None], 100, holes=True)
    assert (rows, proof.pages, proof.holes) == ([], 1, 1)


def test_half_a_page_of_holes_at_a_border_costs_a_second_reading() -> None:
    keys = [None if 4 <= number < 15 else key for number, key in enumerate(numbered(30))]
    proof, rows = read(keys, 10, holes=True, most_sent=10)
    assert rows == [key for key in keys if key is not None]
    assert (proof.rereads, proof.holes) == (1, 11)


@settings(max_examples=1000)
@given(
    holes=st.sets(st.integers(0, 59)),
    limit=st.integers(4, 20),
    deleted=st.sets(st.integers(0, 59), min_size=2),
    moment=st.integers(1, 20),
    order=st.randoms(use_true_random=False),
    most_sent=st.sampled_from((0, 20)),
)
def test_a_member_that_is_there_all_the_time_is_read(
    holes: set[int],
    limit: int,
    deleted: set[int],
    moment: int,
    order: random.Random,
    most_sent: int,
) -> None:
    """Once some rows go and as many come at the end, so that the total tells nothing."""
    keys = [None if number in holes else key for number, key in enumerate(numbered(60))]
    kept = [key for number, key in enumerate(keys) if number not in deleted]
    always = {key for key in kept if key is not None}
    reading = OffsetPaginator(ListId("list"), limit, may_have_holes=True, most_sent=most_sent)
    waiting = reading.start()
    while waiting:
        moment -= 1
        if not moment:
            keys = [*kept, *(f"new {number}" for number in range(len(deleted)))]
        skip = waiting.pop(order.randrange(len(waiting)))
        waiting += reading.accept(page(keys, skip, reading.limit, 60))
    assert always <= set(received(reading))


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
    reading = OffsetPaginator(ListId("list"), limit, is_sorted=True)
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


@given(st.integers(0, 60), st.integers(3, 20), st.integers(2, 20), st.booleans(), st.booleans())
def test_a_server_that_sends_less_than_asked_loses_nothing(
    count: int,
    limit: int,
    cap: int,
    is_sorted: bool,  # noqa: FBT001
    holes: bool,  # noqa: FBT001
) -> None:
    keys = numbered(count)
    _, rows = read(keys, limit, cap=cap, is_sorted=is_sorted, holes=holes and not is_sorted)
    assert rows == keys


def test_a_list_without_holes_that_lacks_rows_fails() -> None:
    with pytest.raises(IncompleteError, match="gives fewer rows than it announces"):
        read(["a", None, "c"])


def test_a_row_that_slides_past_between_two_pages_is_noticed() -> None:
    before: Keys = ["a", "b", "c", "d", "e"]
    after: Keys = ["b", "c", "d", "e", "f"]  # a deleted, f added: the total says nothing
    reading = OffsetPaginator(ListId("list"), 3)
    waiting = reading.start()
    waiting += reading.accept(page(before, waiting.pop(0), 3, 5))
    while waiting:
        waiting += reading.accept(page(after, waiting.pop(0), 3, 5))
    assert received(reading) == after
    assert reading.result
    assert reading.result.rereads == 1


def test_a_list_whose_total_moves_is_read_again() -> None:
    reading = OffsetPaginator(ListId("list"), 3)
    reading.start()
    assert reading.accept(page(numbered(5), 0, 3, 5)) == [2]
    assert reading.accept(page(numbered(4), 2, 3, 4)) == [0]
    assert reading.accept(page(numbered(4), 0, 3, 4)) == [2]
    assert reading.accept(page(numbered(4), 2, 3, 4)) == []
    assert reading.result
    assert (reading.result.received, reading.result.rereads, reading.result.pages) == (4, 1, 4)


def test_a_sorted_list_that_lacks_rows_since_it_moves_is_read_until_it_is_whole() -> None:
    """In each reading a record comes where it was read already, and one goes where it was not."""
    keys = numbered(20)
    reading = OffsetPaginator(ListId("list"), 11, is_sorted=True)
    waiting, edits = reading.start(), 6
    while waiting:
        skip = waiting.pop(0)
        if skip and edits:
            edits -= 1
            keys = sorted({*keys[:-1], f"0000{edits}"}, key=str)
        waiting += reading.accept(page(keys, skip, 11, 20))
    assert received(reading) == keys
    assert reading.result
    assert (reading.result.proof, reading.result.rereads, edits) == ("overlap", 6, 0)


def test_a_sorted_list_that_lies_about_its_length_is_not_read_for_ever() -> None:
    with pytest.raises(IncompleteError, match="gives fewer rows than it announces; read 4 times"):
        read([*numbered(3), None, *numbered(20)[4:]], is_sorted=True)


def test_a_list_that_never_stands_still_fails_by_name() -> None:
    reading = OffsetPaginator(ListId("systemgroups_members", "64b0"), 3, may_have_holes=True)
    waiting, total = reading.start(), 5
    with pytest.raises(IncompleteError, match=r"systemgroups_members/64b0: .*moves"):  # noqa: PT012
        for _ in range(100):
            total += 1
            waiting += reading.accept(page(numbered(5), waiting.pop(0), 3, total))


def test_members_that_change_at_every_page_are_not_read_for_ever() -> None:
    """The total stays, no page is full: it looks as if the API cut its pages, however small."""
    reading = OffsetPaginator(ListId("list"), 100, may_have_holes=True)
    waiting = reading.start()
    with pytest.raises(IncompleteError, match="repeats or lacks rows"):  # noqa: PT012
        for number in range(100):
            members: Keys = [f"new {number}", None, None]
            skip = waiting.pop(0)
            waiting += reading.accept(replace(page(members, 0, 100, 3), skip=skip))


def test_a_row_that_comes_twice_is_not_taken_for_a_deleted_one() -> None:
    """Two members change places, so that one comes twice and the other not at all."""
    before: Keys = ["a", "b", "c", "d", "e"]
    after: Keys = ["d", "b", "c", "a", "e"]
    reading = OffsetPaginator(ListId("list"), 3, may_have_holes=True)
    waiting = reading.start()
    waiting += reading.accept(page(before, waiting.pop(0), 3, 5))
    while waiting:
        waiting += reading.accept(page(after, waiting.pop(0), 3, 5))
    assert received(reading) == after


@pytest.mark.parametrize("total", [9, None])
def test_a_server_that_ignores_the_offset_is_noticed(total: int | None) -> None:
    reading = OffsetPaginator(ListId("list"), 3, may_have_holes=total is not None)
    waiting = reading.start()
    with pytest.raises(IncompleteError, match=r"repeats or lacks rows|do not meet"):  # noqa: PT012
        for _ in range(100):
            answer = page(["a", "b", "c"], 0, 3, total)
            waiting += reading.accept(replace(answer, skip=waiting.pop(0)))


@given(st.integers(0, 60), st.integers(3, 20), st.integers(2, 20), st.booleans())
def test_a_list_without_total_is_read_whatever_the_server_sends_a_page(
    count: int,
    limit: int,
    cap: int,
    is_sorted: bool,  # noqa: FBT001
) -> None:
    reading = OffsetPaginator(ListId("list"), limit, is_sorted=is_sorted)
    waiting = reading.start()
    while waiting:
        skip = waiting.pop(0)
        waiting += reading.accept(page(numbered(count), skip, min(limit, cap), None, limit))
    assert received(reading) == numbered(count)
    assert reading.result
    assert reading.result.rereads == 0


def test_a_list_without_total_that_gets_shorter_is_read_again() -> None:
    """d is there all the time, but slides past to where it was read before."""
    before: Keys = ["a", "b", "c", "d"]
    reading = OffsetPaginator(ListId("list"), 3)
    waiting = reading.start()
    waiting += reading.accept(page(before, waiting.pop(0), 3, None))
    while waiting:
        waiting += reading.accept(page(["c", "d"], waiting.pop(0), 3, None))
    assert received(reading) == ["c", "d"]


def test_a_list_without_total_ends_where_no_further_row_comes() -> None:
    reading = OffsetPaginator(ListId("list"), 3)
    waiting = reading.start()
    asked = []
    while waiting:
        asked.append(waiting.pop(0))
        waiting += reading.accept(page(numbered(4), asked[-1], 3, None))
    assert asked == [0, 2, 3]
    assert reading.result
    assert (reading.result.proof, reading.result.received) == ("empty page", 4)


def test_a_sort_that_the_server_ignores_is_noticed() -> None:
    keys: Keys = ["c", "a", "b", "e", "d"]
    proof, rows = read(keys, 3, is_sorted=True)
    assert sorted(rows) == ["a", "b", "c", "d", "e"]
    assert proof.proof == "total"


def test_a_list_of_which_the_parent_goes_is_empty_and_tells_what_it_cost() -> None:
    reading = OffsetPaginator(ListId("list", "64b0"), 3, may_have_holes=True)
    reading.start()
    reading.accept(page(numbered(5), 0, 3, 5))
    reading.parent_is_gone()
    assert reading.result
    assert received(reading) == []
    assert (reading.result.proof, reading.result.received, reading.result.pages) == (
        "not found",
        0,
        1,
    )


def test_a_row_that_comes_twice_in_a_page_is_dropped_and_counted() -> None:
    proof, rows = read(["a", "a", "b", "c"], 3)
    assert rows == ["a", "b", "c"]
    assert (proof.expected, proof.received, proof.duplicates, proof.rereads) == (4, 3, 1, 0)


def test_an_absurd_total_is_refused() -> None:
    reading = OffsetPaginator(ListId("list"), 2)
    reading.start()
    with pytest.raises(IncompleteError, match="announces 1,000,000,000,000 records"):
        reading.accept(page(numbered(2), 0, 2, 10**12))


def at(skip: int, *keys: str) -> Page:
    """A page of up to six rows that begins there."""
    return replace(page(list(keys), 0, 6, 20), skip=skip)


@pytest.mark.parametrize(
    ("bridge", "is_joined"),
    [
        (("b", "d"), True),
        (("d",), False),  # the end of the page before slid past
        (("b",), False),  # the beginning of the page after is not there yet
        (("c", "d"), False),  # b is not where it was
    ],
)
def test_a_bridge_joins_two_pages_only_if_it_goes_on_where_each_ends(
    bridge: tuple[str, ...],
    is_joined: bool,  # noqa: FBT001
) -> None:
    before, after = at(0, "a", "x", "c", "b"), at(5, "d", "e")
    middle = at(probe_offset(before), *bridge)
    assert pages_overlap([after, before], {middle.skip: middle}) == is_joined
    assert not pages_overlap([after, before], {})


def test_a_total_that_moves_at_the_bridge_is_noticed() -> None:
    keys = [None if number == 9 else key for number, key in enumerate(numbered(15))]
    reading = OffsetPaginator(ListId("list"), 10, may_have_holes=True, most_sent=10)
    assert reading.start() == [0]
    assert reading.accept(page(keys, 0, 10, 15)) == [9]
    assert reading.accept(page(keys, 9, 10, 15)) == [5]
    assert reading.accept(page(keys, 5, 10, 16)) == [0]
