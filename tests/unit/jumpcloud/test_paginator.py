"""A list that does not change is read to its end and proven complete."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.jumpcloud.completeness import Completeness
from pipelines.jumpcloud.endpoints import ListId
from pipelines.jumpcloud.paginator import (
    IncompleteError,
    OffsetPaginator,
    pages_overlap,
    probe_offset,
)
from pipelines.jumpcloud.parsing import Page
from tests.support.pages import Keys, numbered, page, received


def read(
    keys: Keys,
    limit: int = 10,
    *,
    cap: int = 1000,
    is_sorted: bool = False,
    holes: bool = False,
    largest_page: int = 0,
) -> tuple[Completeness, list[str]]:
    """Read a list that does not change, from a server that sends at most `cap` rows per page."""
    paginator = OffsetPaginator(
        ListId("list"),
        limit,
        is_sorted=is_sorted,
        may_have_holes=holes,
        largest_page=largest_page,
    )
    waiting = paginator.start()
    while waiting:
        size = min(paginator.limit, cap)
        waiting += paginator.accept(page(keys, waiting.pop(0), size, len(keys), paginator.limit))
    assert paginator.result
    return paginator.result, received(paginator)


@given(st.lists(st.booleans(), max_size=120), st.integers(3, 20))
def test_holes_do_not_end_a_list(present: list[bool], limit: int) -> None:
    keys = [
        key if is_there else None for key, is_there in zip(numbered(200), present, strict=False)
    ]
    proof, rows = read(keys, limit, holes=True)
    assert rows == [key for key in keys if key is not None]
    assert (proof.proof, proof.holes, proof.expected) == ("total", keys.count(None), len(keys))


def test_hole_between_two_pages_costs_one_probe_page() -> None:
    keys = [None if number in {9, 10, 36} else key for number, key in enumerate(numbered(50))]
    proof, rows = read(keys, 10, holes=True, largest_page=10)
    assert rows == [key for key in keys if key is not None]
    assert (proof.pages, proof.rereads, proof.holes) == (6 + 2, 0, 3)


@pytest.mark.parametrize(("largest_page", "pages"), [(0, 2), (5, 2), (6, 1)])
def test_page_up_to_the_largest_seen_is_not_probed(largest_page: int, pages: int) -> None:
    """Six members are announced. If a page had six rows before, the missing one was deleted."""
    proof, rows = read([*numbered(5), None], 10, holes=True, largest_page=largest_page)
    assert rows == numbered(5)
    assert (proof.pages, proof.holes) == (pages, 1)


def test_group_with_one_deleted_member_costs_one_page() -> None:
    proof, rows = read([None], 100, holes=True)
    assert (rows, proof.pages, proof.holes) == ([], 1, 1)


def test_half_a_page_of_holes_is_read_twice() -> None:
    keys = [None if 4 <= number < 15 else key for number, key in enumerate(numbered(30))]
    proof, rows = read(keys, 10, holes=True, largest_page=10)
    assert rows == [key for key in keys if key is not None]
    assert (proof.rereads, proof.holes) == (1, 11)


@given(st.integers(0, 120), st.integers(2, 20))
def test_sorted_list_overlaps_one_row_per_page(count: int, limit: int) -> None:
    proof, rows = read(numbered(count), limit, is_sorted=True)
    assert rows == numbered(count)
    assert (proof.received, proof.duplicates, proof.rereads) == (count, 0, 0)
    assert proof.pages == max(1, -(-(count - 1) // (limit - 1)))
    assert proof.proof == ("total" if proof.pages == 1 else "overlap")


@given(st.integers(0, 60), st.integers(3, 20), st.integers(2, 20), st.booleans(), st.booleans())
def test_smaller_pages_than_requested_lose_no_row(
    count: int,
    limit: int,
    cap: int,
    is_sorted: bool,  # noqa: FBT001
    holes: bool,  # noqa: FBT001
) -> None:
    keys = numbered(count)
    _, rows = read(keys, limit, cap=cap, is_sorted=is_sorted, holes=holes and not is_sorted)
    assert rows == keys


def test_missing_row_in_a_list_without_holes_fails() -> None:
    with pytest.raises(IncompleteError, match="gives fewer rows than it announces"):
        read(["a", None, "c"])


def test_sorted_list_with_a_wrong_total_fails() -> None:
    with pytest.raises(IncompleteError, match="gives fewer rows than it announces; read 4 times"):
        read([*numbered(3), None, *numbered(20)[4:]], is_sorted=True)


@pytest.mark.parametrize("total", [11, 18])
def test_sorted_list_with_a_small_total_fails(total: int) -> None:
    paginator = OffsetPaginator(ListId("list"), 10, is_sorted=True)
    waiting = paginator.start()
    with pytest.raises(IncompleteError, match="gives more rows than it announces"):  # noqa: PT012
        while waiting:
            waiting += paginator.accept(page(numbered(100), waiting.pop(0), 10, total))


@pytest.mark.parametrize("total", [9, None])
def test_server_that_ignores_the_offset_fails(total: int | None) -> None:
    paginator = OffsetPaginator(ListId("list"), 3, may_have_holes=total is not None)
    waiting = paginator.start()
    with pytest.raises(IncompleteError, match=r"repeats or misses rows|do not overlap"):  # noqa: PT012
        for _ in range(100):
            answer = page(["a", "b", "c"], 0, 3, total)
            waiting += paginator.accept(replace(answer, skip=waiting.pop(0)))


@given(st.integers(1, 60), st.integers(3, 20), st.integers(2, 20), st.booleans())
def test_list_without_total_is_read_at_any_page_size(
    count: int,
    limit: int,
    cap: int,
    is_sorted: bool,  # noqa: FBT001
) -> None:
    paginator = OffsetPaginator(ListId("list"), limit, is_sorted=is_sorted)
    waiting = paginator.start()
    while waiting:
        skip = waiting.pop(0)
        waiting += paginator.accept(page(numbered(count), skip, min(limit, cap), None, limit))
    assert received(paginator) == numbered(count)
    assert paginator.result
    assert paginator.result.rereads == 0


@pytest.mark.parametrize(("rows", "needs_total"), [(0, False), (2, True)])
def test_list_that_nothing_proves_fails(rows: int, needs_total: bool) -> None:  # noqa: FBT001
    paginator = OffsetPaginator(ListId("list"), 3, needs_total=needs_total)
    paginator.start()
    with pytest.raises(IncompleteError, match="list: the API announces no total"):
        paginator.accept(page(numbered(rows), 0, 3, None))
    child = OffsetPaginator(ListId("list", "64b0"), 3)
    child.start()
    assert child.accept(page([], 0, 3, None)) == []


def test_list_without_total_ends_at_a_page_without_new_rows() -> None:
    paginator = OffsetPaginator(ListId("list"), 3)
    waiting = paginator.start()
    requested = []
    while waiting:
        requested.append(waiting.pop(0))
        waiting += paginator.accept(page(numbered(4), requested[-1], 3, None))
    assert requested == [0, 2, 3]
    assert paginator.result
    assert (paginator.result.proof, paginator.result.received) == ("empty page", 4)


def test_ignored_sort_falls_back_to_the_total() -> None:
    keys: Keys = ["c", "a", "b", "e", "d"]
    proof, rows = read(keys, 3, is_sorted=True)
    assert sorted(rows) == ["a", "b", "c", "d", "e"]
    assert proof.proof == "total"


def test_list_of_a_deleted_parent_is_empty() -> None:
    paginator = OffsetPaginator(ListId("list", "64b0"), 3, may_have_holes=True)
    paginator.start()
    paginator.accept(page(numbered(5), 0, 3, 5))
    paginator.finish_deleted()
    assert paginator.result
    assert received(paginator) == []
    assert (paginator.result.proof, paginator.result.received, paginator.result.pages) == (
        "not found",
        0,
        1,
    )


def test_duplicate_row_in_a_page_is_dropped_and_counted() -> None:
    proof, rows = read(["a", "a", "b", "c"], 3)
    assert rows == ["a", "b", "c"]
    assert (proof.expected, proof.received, proof.duplicates, proof.rereads) == (4, 3, 1, 0)


def test_absurd_total_fails() -> None:
    paginator = OffsetPaginator(ListId("list"), 2)
    paginator.start()
    with pytest.raises(IncompleteError, match="announces 1,000,000,000,000 records"):
        paginator.accept(page(numbered(2), 0, 2, 10**12))


def page_at(skip: int, *keys: str) -> Page:
    """Return a page of up to six rows that begins at an offset."""
    return replace(page(list(keys), 0, 6, 20), skip=skip)


@pytest.mark.parametrize(
    ("probe", "connected"),
    [
        (("b", "d"), True),
        (("d",), False),  # the end of the page before was skipped
        (("b",), False),  # the beginning of the page after is missing
        (("c", "d"), False),  # b is not where it was
    ],
)
def test_probe_page_must_overlap_both_neighbors(
    probe: tuple[str, ...],
    connected: bool,  # noqa: FBT001
) -> None:
    before, after = page_at(0, "a", "x", "c", "b"), page_at(5, "d", "e")
    middle = page_at(probe_offset(before), *probe)
    assert pages_overlap([after, before], {middle.skip: middle}) == connected
    assert not pages_overlap([after, before], {})
