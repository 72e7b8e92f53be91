"""Read one list to its end, and prove that no row was missed.

The module knows pages and offsets, and nothing of HTTP. The length of a page does not end a list,
because deleted members are cut from pages after paging (docs/reference/jumpcloud-api.md, section
11). Each page is requested so that it begins with the last row of the page before. Where the two
agree, no row was skipped between them. Where that row was deleted, a probe page, which begins
within one page and ends within the next, shows the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa

from pipelines.jumpcloud.completeness import Completeness, Proof
from pipelines.jumpcloud.endpoints import ListId
from pipelines.jumpcloud.errors import ExtractError
from pipelines.jumpcloud.parsing import Key, Page

MAX_REREADS = 3
# Each repair closes a gap of up to half a page. More are needed only where a list loses records
# faster than it can be read.
MAX_REPAIRS = 50
# Longer lists are refused, so that a broken server cannot keep a pull busy forever.
MAX_ROWS = 10_000_000
MIN_PAGE_SIZE = 2  # a page of one row cannot both overlap the page before and bring a new row


class IncompleteError(ExtractError):
    """A list could not be proven complete.

    Attributes:
        list_id: the list.
    """

    def __init__(self, list_id: ListId, reason: str) -> None:
        super().__init__(f"{list_id}: {reason}")
        self.list_id = list_id


@dataclass
class OffsetPaginator:
    """Paginator of one list. It is not thread-safe.

    Attributes:
        list_id: the list.
        limit: rows to request per page; reduced when the API is found to send fewer.
        is_sorted: True if pages come in the order of the unique key.
        may_have_holes: True if the API counts deleted records that it does not deliver.
        needs_total: True if the API announces the total of such lists.
        by_search: True if the list is read through the endpoint's search.
        largest_page: rows of the largest page that the endpoint is known to have sent.
        result: proof of completeness; None until the list is finished.
    """

    list_id: ListId
    limit: int
    is_sorted: bool = False
    may_have_holes: bool = False
    needs_total: bool = False
    by_search: bool = False
    largest_page: int = 0
    result: Completeness | None = None
    _pages: list[Page] = field(default_factory=list)
    _requested: set[int] = field(default_factory=set)
    _pending: int = 0
    _discarded_pages: int = 0
    _rereads: int = 0
    _previous_keys: frozenset[Key] | None = None
    _pending_probes: set[int] = field(default_factory=set)
    _probe_pages: dict[int, Page] = field(default_factory=dict)

    def start(self) -> list[int]:
        """Return the offsets to request first."""
        return self._register([0])

    def accept(self, page: Page) -> list[int]:
        """Add a page and return the offsets to request next.

        Returns:
            The offsets; empty while other pages are pending, and when the list is finished.

        Raises:
            IncompleteError: the list keeps changing, or does not match its announced total.
        """
        self._pending -= 1
        self.largest_page = max(self.largest_page, len(page.distinct_keys))
        if page.skip in self._pending_probes:
            return self._register(self._accept_probe_page(page))
        self._pages.append(page)
        if max(page.total or 0, page.skip) > MAX_ROWS:
            reason = f"the API announces {page.total or page.skip:,} records; {MAX_ROWS:,} are read"
            raise IncompleteError(self.list_id, f"{reason} at most")
        self._shrink_limit(page)
        offsets = self._register(self._next_offsets(page))
        if offsets or self._pending:
            return offsets
        return self._register(self._evaluate())

    def finish_deleted(self) -> None:
        """Finish the list as empty, because its parent was deleted."""
        self._discarded_pages += len(self._pages)
        self._pages.clear()
        self._finish("not found")

    def rows(self) -> list[pa.RecordBatch]:
        """Return the distinct rows of a finished list, page by page.

        Of rows with the same key, the first is returned.
        """
        seen: set[Key] = set()
        batches = []
        for page in _in_order(self._pages):
            if len(page.distinct_keys) == len(page.keys) and seen.isdisjoint(page.distinct_keys):
                batches.append(page.rows)
            else:
                first = {key: index for index, key in reversed(list(enumerate(page.keys)))}
                new = sorted(first[key] for key in page.distinct_keys - seen)
                batches.append(page.rows.take(pa.array(new, pa.int64())))
            seen |= page.distinct_keys
        return batches

    def _register(self, offsets: list[int]) -> list[int]:
        """Return the offsets that were not requested before, and count them as pending."""
        new = [offset for offset in offsets if offset not in self._requested]
        self._requested.update(new)
        self._pending += len(new)
        return new

    def _shrink_limit(self, page: Page) -> None:
        """Take the page size from a short first page, if no row of it can have been deleted."""
        is_short = page.total is not None and len(page.keys) < min(self.limit, page.total)
        if page.skip == 0 and is_short and not self.may_have_holes and len(page.keys) > 1:
            self.limit = len(page.keys)

    def _next_offsets(self, page: Page) -> list[int]:
        """Return the offsets that follow from a page: all others, or the next without a total."""
        if page.total is not None:
            step = self.limit - 1
            return [] if page.total <= self.limit else list(range(step, page.total - 1, step))
        check_total(page, self.list_id, needs_total=self.needs_total)
        # Counted from the last row that came, since the API may send fewer rows than requested.
        known = _distinct_keys([other for other in self._pages if other is not page])
        last = max(1, len(page.distinct_keys) - 1)
        return [page.skip + last] if page.distinct_keys - known else []

    def _evaluate(self) -> list[int]:
        """Finish the list, or return the offsets to request again, once no page is pending."""
        totals = {page.total for page in (*self._pages, *self._probe_pages.values())}
        if self.is_sorted and any(list(page.keys) != sorted(page.keys) for page in self._pages):
            self.is_sorted = False
            return self._restart("the list is not sorted by its key as requested")
        if totals == {None}:
            if len(_distinct_keys(self._pages)) > 1 and not pages_overlap(self._pages, {}):
                return self._restart("the pages do not overlap")
            return self._finish("empty page")
        if self.is_sorted and len(self._pages) > 1 and None not in totals:
            return self._evaluate_sorted(totals)
        return self._evaluate_by_total(totals)

    def _evaluate_sorted(self, totals: set[int | None]) -> list[int]:
        offset = _find_gap(self._pages)
        if offset is None:
            if any(page.exceeds_total for page in self._pages):
                return self._restart_sorted("the list gives more rows than it announces")
            if len(totals) == 1 and self._count_missing() > 0:
                return self._restart_sorted("the list gives fewer rows than it announces")
            return self._finish("overlap")
        self._rereads += 1
        if self._rereads > MAX_REPAIRS:
            reason = "the list changes too fast, or gives fewer rows than it announces"
            raise IncompleteError(self.list_id, f"{reason}; read {self._rereads} times")
        self._requested.discard(offset)
        return [offset]

    def _restart_sorted(self, reason: str) -> list[int]:
        # A list that changes may miss rows in many readings, but different ones each time.
        keys = _distinct_keys(self._pages)
        max_rereads = MAX_REREADS if keys == self._previous_keys else MAX_REPAIRS
        self._previous_keys = keys
        return self._restart(reason, max_rereads)

    def _evaluate_by_total(self, totals: set[int | None]) -> list[int]:
        keys = _distinct_keys(self._pages)
        if len(totals) > 1 or len(keys) > (self._pages[-1].total or 0):
            return self._restart("the announced total changes, or differs from the rows")
        if any(not probe.distinct_keys <= keys for probe in self._probe_pages.values()):
            return self._restart_with_smaller_pages()
        overlap = pages_overlap(self._pages, self._probe_pages)
        if self._count_missing() <= 0 and overlap:
            return self._finish("total")
        if not self.may_have_holes:
            reason = "the list gives fewer rows than it announces, or in changing order"
            return self._restart(reason)
        return self._evaluate_holes(keys, overlap=overlap)

    def _evaluate_holes(self, keys: frozenset[Key], *, overlap: bool) -> list[int]:
        """Decide if rows are missing because they were deleted, or because pages were cut short.

        If they were deleted, a probe page has no unknown row, and connects two pages that lost
        their shared row.
        """
        suspects = suspect_pages(self._pages, self.largest_page)
        if suspects and not self._probe_pages:
            self._pending_probes = {probe_offset(page) for page in suspects}
            self._requested -= self._pending_probes
            return sorted(self._pending_probes)
        # Where half a page is holes, or a row came twice, only a second reading shows if rows were
        # deleted or moved.
        repeated = _repeats_across_pages(self._pages)
        confirmed = keys == self._previous_keys and (overlap or not repeated)
        if (repeated or not overlap) and not confirmed:
            self._previous_keys = keys
            return self._restart("the list repeats or misses rows in every reading")
        return self._finish("total")

    def _accept_probe_page(self, page: Page) -> list[int]:
        self._pending_probes.discard(page.skip)
        self._discarded_pages += 1
        self._probe_pages[page.skip] = page
        return [] if self._pending_probes else self._evaluate()

    def _restart_with_smaller_pages(self) -> list[int]:
        # If smaller pages cannot explain the unknown rows, the list changes: count the reading.
        if self.largest_page >= self.limit or self.limit == MIN_PAGE_SIZE:
            return self._restart("the list repeats or misses rows in every reading")
        half = max(MIN_PAGE_SIZE, self.limit // 2)
        self.limit = self.largest_page if self.largest_page >= MIN_PAGE_SIZE else half
        return self._discard_pages()

    def _count_missing(self) -> int:
        """Return the number of announced rows that did not come, repeated rows not included."""
        received = len(_distinct_keys(self._pages))
        return (self._pages[-1].total or 0) - received - _count_duplicates(self._pages)

    def _restart(self, reason: str, max_rereads: int = MAX_REREADS) -> list[int]:
        self._rereads += 1
        if self._rereads > max_rereads:
            raise IncompleteError(self.list_id, f"{reason}; read {self._rereads} times")
        return self._discard_pages()

    def _discard_pages(self) -> list[int]:
        """Discard all pages and return the first offset."""
        self._discarded_pages += len(self._pages)
        self._pages.clear()
        self._probe_pages.clear()
        self._requested.clear()
        return [0]

    def _finish(self, proof: Proof) -> list[int]:
        received = len(_distinct_keys(self._pages))
        expected = self._pages[-1].total if self._pages else None
        self.result = Completeness(
            self.list_id,
            proof,
            expected=received if expected is None else expected,
            received=received,
            holes=max(0, self._count_missing()) if self.may_have_holes and self._pages else 0,
            duplicates=_count_duplicates(self._pages),
            pages=self._discarded_pages + len(self._pages),
            rereads=self._rereads,
            lost_values=_count_lost(self._pages),
        )
        return []


def check_total(page: Page, list_id: ListId, *, needs_total: bool) -> None:
    """Check that a page has a total, or can be a part of a proof without it.

    A list that is not of a parent is never taken for empty without a total.

    Raises:
        IncompleteError: the total is missing.
    """
    is_empty = not page.keys and page.skip == 0 and not list_id.parent_id
    if page.total is None and (needs_total or is_empty):
        reason = "the API announces no total, so nothing shows that the list is complete"
        raise IncompleteError(list_id, reason)


def pages_overlap(pages: Sequence[Page], probe_pages: Mapping[int, Page]) -> bool:
    """Check that each page overlaps the next one, directly or through a probe page.

    Args:
        pages: all pages of a list, in any order.
        probe_pages: probe pages by offset.
    """
    for page, following in pairwise(_in_order(pages)):
        probe = probe_pages.get(probe_offset(page))
        connected = probe is not None and _overlap(page, probe) and _overlap(probe, following)
        if not connected and not _overlap(page, following):
            return False
    return True


def suspect_pages(pages: Sequence[Page], largest_page: int) -> list[Page]:
    """Return the pages that do not overlap the next one, or that the API may have cut short.

    Args:
        pages: all pages of a list, in any order.
        largest_page: rows of the largest page known to have been sent; a page that should have no
            more rows than that was not cut short.
    """
    ordered = _in_order(pages)
    apart = [page for page, following in pairwise(ordered) if not _overlap(page, following)]
    return [page for page in ordered if page in apart or _may_be_cut(page, largest_page)]


def probe_offset(page: Page) -> int:
    """Return the offset of a page's middle, or of its end if less than half of it came."""
    return page.skip + min(max(1, len(page.keys)), page.limit // 2)


def _in_order(pages: Sequence[Page]) -> list[Page]:
    return sorted(pages, key=lambda page: page.skip)


def _overlap(page: Page, following: Page) -> bool:
    """Check that the rows in both pages are the end of one and the beginning of the other."""
    rows, next_rows = list(dict.fromkeys(page.keys)), list(dict.fromkeys(following.keys))
    if not next_rows or next_rows[0] not in rows:
        return False
    shared = rows[rows.index(next_rows[0]) :]
    max_shared = page.skip + page.limit - following.skip
    return len(shared) <= max_shared and next_rows[: len(shared)] == shared


def _may_be_cut(page: Page, largest_page: int) -> bool:
    # The API sends at least one row, so a page of one row cannot be cut.
    announced = min(page.limit, (page.total or 0) - page.skip)
    return len(page.keys) < announced and announced > max(1, largest_page)


def _distinct_keys(pages: Sequence[Page]) -> frozenset[Key]:
    if len(pages) == 1:
        return pages[0].distinct_keys
    return frozenset[Key]().union(*(page.distinct_keys for page in pages))


def _count_duplicates(pages: Sequence[Page]) -> int:
    """Return the number of rows that repeat another row of the same page."""
    return sum(len(page.keys) - len(page.distinct_keys) for page in pages)


def _count_lost(pages: Sequence[Page]) -> dict[str, int]:
    """Return the number of rows that lost a value, by field."""
    names = sorted({name for page in pages for name in page.lost})
    nothing = frozenset[Key]()
    return {
        name: len(nothing.union(*(page.lost.get(name, nothing) for page in pages)))
        for name in names
    }


def _repeats_across_pages(pages: Sequence[Page]) -> bool:
    """Check if a row is in two pages although it is not the first row of the later one."""
    seen: set[Key] = set()
    for page in _in_order(pages):
        if seen & (page.distinct_keys - set(page.keys[:1])):
            return True
        seen |= page.distinct_keys
    return False


def _find_gap(pages: Sequence[Page]) -> int | None:
    """Return the offset to request where the pages leave a gap in a sorted list, or None.

    A page covers the keys from its first to its last, at the moment it was read: a record that
    existed all the time and has a key in that range is in the page. If the ranges of the pages
    touch each other from the start of the list to its end, no such record is missing, no matter
    which records were inserted or deleted meanwhile.
    """
    start = next(page for page in reversed(pages) if page.skip == 0)
    if not start.keys:
        return None if start.total == 0 else 0
    covered = start.keys[-1]
    for page in sorted((page for page in pages if page.keys), key=lambda page: page.keys[0]):
        if page.keys[0] > covered:
            break
        covered = max(covered, page.keys[-1])
        if page.total is not None and page.skip + len(page.keys) >= page.total:
            return None
    # Half a page earlier, so that the new page touches it even if more records are deleted.
    return max(0, _estimate_rank(pages, covered) - start.limit // 2)


def _estimate_rank(pages: Sequence[Page], key: Key) -> int:
    """Return the number of records up to a key; later pages take precedence."""
    rank = 0
    for page in pages:
        end = page.skip + len(page.keys)
        if not page.keys:
            rank = min(rank, page.skip if page.total is None else page.total)
        elif page.keys[0] > key:
            rank = min(rank, page.skip)
        else:
            rank = end if page.keys[-1] == key else max(rank, end)
    return rank
