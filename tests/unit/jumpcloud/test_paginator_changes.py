"""A list that changes while it is read is proven complete, or fails."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.jumpcloud.endpoints import ListId
from pipelines.jumpcloud.paginator import IncompleteError, OffsetPaginator
from tests.support.pages import Keys, numbered, page, received


@pytest.mark.slow
@settings(max_examples=1000)
@given(
    holes=st.sets(st.integers(0, 59)),
    limit=st.integers(4, 20),
    deleted=st.sets(st.integers(0, 59), min_size=2),
    moment=st.integers(1, 20),
    order=st.randoms(use_true_random=False),
    largest_page=st.sampled_from((0, 20)),
)
def test_member_that_stays_is_read_from_a_changing_list(
    holes: set[int],
    limit: int,
    deleted: set[int],
    moment: int,
    order: random.Random,
    largest_page: int,
) -> None:
    """Rows are deleted and as many added at the end at once, so that the total stays the same."""
    keys = [None if number in holes else key for number, key in enumerate(numbered(60))]
    kept = [key for number, key in enumerate(keys) if number not in deleted]
    always = {key for key in kept if key is not None}
    paginator = OffsetPaginator(
        ListId("list"), limit, may_have_holes=True, largest_page=largest_page
    )
    waiting = paginator.start()
    while waiting:
        moment -= 1
        if not moment:
            keys = [*kept, *(f"new {number}" for number in range(len(deleted)))]
        skip = waiting.pop(order.randrange(len(waiting)))
        waiting += paginator.accept(page(keys, skip, paginator.limit, 60))
    assert always <= set(received(paginator))


@given(
    count=st.integers(0, 80),
    limit=st.integers(4, 12),
    edits=st.lists(st.tuples(st.booleans(), st.integers(0, 10_000)), max_size=60),
    order=st.randoms(use_true_random=False),
)
def test_record_that_stays_is_read_from_a_sorted_list(
    count: int, limit: int, edits: list[tuple[bool, int]], order: random.Random
) -> None:
    """One record is inserted or deleted before every page, and pages arrive in any order."""
    keys = numbered(count)
    always = set(keys)
    paginator = OffsetPaginator(ListId("list"), limit, is_sorted=True)
    waiting = paginator.start()
    while waiting:
        if edits:
            is_insert, position = edits.pop()
            if is_insert:
                keys = sorted({*keys, f"{position:05}"[:5]}, key=str)
            elif keys:
                always.discard(keys.pop(position % len(keys)))
        skip = waiting.pop(order.randrange(len(waiting)))
        waiting += paginator.accept(page(keys, skip, limit, len(keys)))
    assert paginator.result
    assert always <= set(received(paginator))


def test_row_skipped_between_two_pages_is_detected() -> None:
    before: Keys = ["a", "b", "c", "d", "e"]
    after: Keys = ["b", "c", "d", "e", "f"]  # a deleted, f added: the total stays the same
    paginator = OffsetPaginator(ListId("list"), 3)
    waiting = paginator.start()
    waiting += paginator.accept(page(before, waiting.pop(0), 3, 5))
    while waiting:
        waiting += paginator.accept(page(after, waiting.pop(0), 3, 5))
    assert received(paginator) == after
    assert paginator.result
    assert paginator.result.rereads == 1


def test_list_with_a_changing_total_is_read_again() -> None:
    paginator = OffsetPaginator(ListId("list"), 3)
    paginator.start()
    assert paginator.accept(page(numbered(5), 0, 3, 5)) == [2]
    assert paginator.accept(page(numbered(4), 2, 3, 4)) == [0]
    assert paginator.accept(page(numbered(4), 0, 3, 4)) == [2]
    assert paginator.accept(page(numbered(4), 2, 3, 4)) == []
    assert paginator.result
    assert (paginator.result.received, paginator.result.rereads, paginator.result.pages) == (
        4,
        1,
        4,
    )


def test_changing_sorted_list_is_read_until_complete() -> None:
    """In each reading a record is added before the pages read, and one deleted after them."""
    keys = numbered(20)
    paginator = OffsetPaginator(ListId("list"), 11, is_sorted=True)
    waiting, edits = paginator.start(), 6
    while waiting:
        skip = waiting.pop(0)
        if skip and edits:
            edits -= 1
            keys = sorted({*keys[:-1], f"0000{edits}"}, key=str)
        waiting += paginator.accept(page(keys, skip, 11, 20))
    assert received(paginator) == keys
    assert paginator.result
    assert (paginator.result.proof, paginator.result.rereads, edits) == ("overlap", 6, 0)


def test_list_that_always_changes_fails_with_its_name() -> None:
    paginator = OffsetPaginator(ListId("systemgroups_members", "64b0"), 3, may_have_holes=True)
    waiting, total = paginator.start(), 5
    with pytest.raises(IncompleteError, match=r"systemgroups_members/64b0: .*total changes"):  # noqa: PT012
        for _ in range(100):
            total += 1
            waiting += paginator.accept(page(numbered(5), waiting.pop(0), 3, total))


def test_members_that_change_at_every_page_fail() -> None:
    """The total stays and no page is full, which looks like pages that the API cut short."""
    paginator = OffsetPaginator(ListId("list"), 100, may_have_holes=True)
    waiting = paginator.start()
    with pytest.raises(IncompleteError, match="repeats or misses rows"):  # noqa: PT012
        for number in range(100):
            members: Keys = [f"new {number}", None, None]
            skip = waiting.pop(0)
            waiting += paginator.accept(replace(page(members, 0, 100, 3), skip=skip))


def test_repeated_row_does_not_count_as_deleted() -> None:
    """Two members change places: one comes twice, the other does not come."""
    before: Keys = ["a", "b", "c", "d", "e"]
    after: Keys = ["d", "b", "c", "a", "e"]
    paginator = OffsetPaginator(ListId("list"), 3, may_have_holes=True)
    waiting = paginator.start()
    waiting += paginator.accept(page(before, waiting.pop(0), 3, 5))
    while waiting:
        waiting += paginator.accept(page(after, waiting.pop(0), 3, 5))
    assert received(paginator) == after


def test_shrinking_list_without_total_is_read_again() -> None:
    """d is there all the time, but moves to where the list was read before."""
    before: Keys = ["a", "b", "c", "d"]
    paginator = OffsetPaginator(ListId("list"), 3)
    waiting = paginator.start()
    waiting += paginator.accept(page(before, waiting.pop(0), 3, None))
    while waiting:
        waiting += paginator.accept(page(["c", "d"], waiting.pop(0), 3, None))
    assert received(paginator) == ["c", "d"]


def test_total_that_changes_at_a_probe_page_is_detected() -> None:
    keys = [None if number == 9 else key for number, key in enumerate(numbered(15))]
    paginator = OffsetPaginator(ListId("list"), 10, may_have_holes=True, largest_page=10)
    assert paginator.start() == [0]
    assert paginator.accept(page(keys, 0, 10, 15)) == [9]
    assert paginator.accept(page(keys, 9, 10, 15)) == [5]
    assert paginator.accept(page(keys, 5, 10, 16)) == [0]
