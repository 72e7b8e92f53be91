"""Where one page of an unsorted list ends and the next begins: whether a row slid through between.

Each page is asked for so that it begins with the last row of the one before. Where that row is
deleted, a bridge tells as much: a page that begins with rows of one and ends with rows of the next.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from pipelines.jumpcloud.parsing import Page


def pages_overlap(pages: Sequence[Page], bridges: Mapping[int, Page]) -> bool:
    """Whether each page goes on where the one before it ends, by itself or by a bridge.

    Args:
        pages: all pages of a list, in any order.
        bridges: by offset, the pages from the middle of one of them into the next.
    """
    for page, after in pairwise(sorted(pages, key=overlap_offset)):
        bridge = bridges.get(probe_offset(page))
        is_bridged = bridge is not None and _meet(page, bridge) and _meet(bridge, after)
        if not is_bridged and not _meet(page, after):
            return False
    return True


def suspect_pages(pages: Sequence[Page], most_sent: int) -> list[Page]:
    """Pages that do not meet the next one, or that the API may have cut short.

    Args:
        pages: all pages of a list, in any order.
        most_sent: rows of the largest page that the API is known to have sent; none of up to so
            many rows is cut.
    """
    ordered = sorted(pages, key=overlap_offset)
    apart = [page for page, after in pairwise(ordered) if not _meet(page, after)]
    return [page for page in ordered if page in apart or _is_short(page, most_sent)]


def overlap_offset(page: Page) -> int:
    """Where it begins."""
    return page.skip


def probe_offset(page: Page) -> int:
    """The offset of its middle, or where its rows end if they are fewer than half of a page."""
    return page.skip + min(max(1, len(page.keys)), page.limit // 2)


def _meet(page: Page, after: Page) -> bool:
    """Whether the rows that both have are the end of one and the beginning of the other."""
    rows, next_rows = list(dict.fromkeys(page.keys)), list(dict.fromkeys(after.keys))
    if not next_rows or next_rows[0] not in rows:
        return False
    shared = rows[rows.index(next_rows[0]) :]
    most = page.skip + page.limit - after.skip
    return len(shared) <= most and next_rows[: len(shared)] == shared


def _is_short(page: Page, most_sent: int) -> bool:
    # One row or more is always sent, so that of a list of one nothing is cut.
    announced = min(page.limit, (page.total or 0) - page.skip)
    return len(page.keys) < announced and announced > max(1, most_sent)
