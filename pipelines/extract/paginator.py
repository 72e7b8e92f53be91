"""How one list is read to its end, and how it is proven that it was.

Knows nothing of HTTP: it is told of pages and says which offsets to ask for next. A page's length
ends nothing, since deleted members are cut from pages after paging (fact sheet, section 11). Each
page begins with the last row of the one before: where the two agree, no row slid through between.
"""

from dataclasses import dataclass, field

import pyarrow as pa

from pipelines.extract.completeness import Completeness, Proof
from pipelines.extract.overlap import overlap_offset, pages_overlap, probe_offset, suspect_pages
from pipelines.jumpcloud.endpoints import ListId
from pipelines.jumpcloud.errors import ExtractError
from pipelines.jumpcloud.parsing import Key, Page

MAX_REREADS = 3
# Each repair closes a gap of up to half a page; only a list that loses records faster than it can
# be read needs more.
MAX_REPAIRS = 50
# A list beyond this is refused, so that a broken server cannot make the reading endless.
MAX_ROWS = 10_000_000
MIN_PAGE_SIZE = 2  # of one row no page could overlap the next by one and bring another


class IncompleteError(ExtractError):
    """A list could not be proven read to its end.

    Attributes:
        list_id: which list.
    """

    def __init__(self, list_id: ListId, why: str) -> None:
        super().__init__(f"{list_id}: {why}")
        self.list_id = list_id


@dataclass
class OffsetPaginator:
    """One list while it is read. Not thread-safe: one coordinator feeds it.

    Attributes:
        list_id: which list.
        limit: rows asked for per page; less once the API was found to send fewer.
        is_sorted: whether the pages come in the order of the unique key.
        may_have_holes: whether the API counts deleted records that it does not deliver.
        by_search: whether it is read by the endpoint's search.
        most_sent: rows of the largest page that the endpoint is known to have sent.
        result: the proof, once the list is done.
    """

    list_id: ListId
    limit: int
    is_sorted: bool = False
    may_have_holes: bool = False
    by_search: bool = False
    most_sent: int = 0
    result: Completeness | None = None
    _pages: list[Page] = field(default_factory=list)
    _asked: set[int] = field(default_factory=set)
    _outstanding: int = 0
    _pages_before: int = 0
    _rereads: int = 0
    _earlier_keys: frozenset[Key] | None = None
    _awaited_bridges: set[int] = field(default_factory=set)
    _bridges: dict[int, Page] = field(default_factory=dict)

    def start(self) -> list[int]:
        """The offsets to ask for first."""
        return self._ask([0])

    def accept(self, page: Page) -> list[int]:
        """Take a page; the offsets to ask for next, none while others are awaited or it is done.

        Raises:
            IncompleteError: the list cannot be proven: it moves, or does not give what it says.
        """
        self._outstanding -= 1
        self.most_sent = max(self.most_sent, len(page.distinct_keys))
        if page.skip in self._awaited_bridges:
            return self._ask(self._accept_probe_page(page))
        self._pages.append(page)
        if max(page.total or 0, page.skip) > MAX_ROWS:
            raise IncompleteError(self.list_id, f"announces {page.total or page.skip:,} records")
        self._fit_page_size(page)
        offsets = self._ask(self._following(page))
        if offsets or self._outstanding:
            return offsets
        return self._ask(self._judge())

    def parent_is_gone(self) -> None:
        """Take it that the list's parent was deleted: the list is empty, and done."""
        self._pages_before += len(self._pages)
        self._pages.clear()
        self._finish("not found")

    def rows(self) -> list[pa.RecordBatch]:
        """The distinct rows, page by page, after `result` is there."""
        return _distinct_rows(self._pages)

    def _ask(self, offsets: list[int]) -> list[int]:
        new = [offset for offset in offsets if offset not in self._asked]
        self._asked.update(new)
        self._outstanding += len(new)
        return new

    def _fit_page_size(self, page: Page) -> None:
        """Where no row can lack, a first page that is short says how many rows a page has."""
        is_short = page.total is not None and len(page.keys) < min(self.limit, page.total)
        if page.skip == 0 and is_short and not self.may_have_holes and len(page.keys) > 1:
            self.limit = len(page.keys)

    def _following(self, page: Page) -> list[int]:
        step = self.limit - 1
        if page.total is None:
            return self._following_without_total(page)
        if page.total <= self.limit:
            return []
        return list(range(step, page.total - 1, step))

    def _following_without_total(self, page: Page) -> list[int]:
        """From the last row that came: the API may send fewer rows than it is asked for."""
        if self.may_have_holes:
            raise missing_total_error(self.list_id)
        known = _keys([each for each in self._pages if each is not page])
        last = max(1, len(page.distinct_keys) - 1)
        return [page.skip + last] if page.distinct_keys - known else []

    def _judge(self) -> list[int]:
        """All pages asked for are there: done, or what to ask for again."""
        totals = {page.total for page in (*self._pages, *self._bridges.values())}
        if self.is_sorted and not _ascending(self._pages):
            self.is_sorted = False
            return self._again("it is not sorted as asked")
        if totals == {None}:
            if len(_keys(self._pages)) > 1 and not pages_overlap(self._pages, {}):
                return self._again("its pages do not meet")
            return self._finish("empty page")
        if self.is_sorted and len(self._pages) > 1 and None not in totals:
            return self._judge_sorted(totals)
        return self._judge_by_total(totals)

    def _judge_sorted(self, totals: set[int | None]) -> list[int]:
        offset = _gap(self._pages)
        if offset is None:
            if len(totals) == 1 and self._lacking() > 0:
                return self._again_for_lacking_rows()
            return self._finish("overlap")
        self._rereads += 1
        if self._rereads > MAX_REPAIRS:
            why = "it changes faster than it can be read, or gives fewer rows than it announces"
            raise IncompleteError(self.list_id, why)
        self._asked.discard(offset)
        return [offset]

    def _again_for_lacking_rows(self) -> list[int]:
        """A list that moves may lack rows in many readings, one that lies lacks the same in all."""
        keys = _keys(self._pages)
        most = MAX_REREADS if keys == self._earlier_keys else MAX_REPAIRS
        self._earlier_keys = keys
        return self._again("it gives fewer rows than it announces", most=most)

    def _judge_by_total(self, totals: set[int | None]) -> list[int]:
        lacking = self._lacking()
        keys = _keys(self._pages)
        if len(totals) > 1 or len(keys) > (self._pages[-1].total or 0):
            return self._again("its announced total moves, or disagrees with its rows")
        if any(not bridge.distinct_keys <= keys for bridge in self._bridges.values()):
            return self._again_for_unknown_rows()
        is_one_piece = pages_overlap(self._pages, self._bridges)
        if lacking <= 0 and is_one_piece:
            return self._finish("total")
        if not self.may_have_holes:
            return self._again("it gives fewer rows than it announces, or in changing order")
        return self._judge_holes(keys, is_one_piece=is_one_piece)

    def _judge_holes(self, keys: frozenset[Key], *, is_one_piece: bool) -> list[int]:
        """Rows may lack because they were deleted, or because the API sends fewer a page.

        In the first case a bridge, a page from the middle of one into the next, has no unknown
        row, and joins two pages of which the border row is gone.
        """
        doubtful = suspect_pages(self._pages, self.most_sent)
        if doubtful and not self._bridges:
            return self._ask_probe_pages(doubtful)
        # Where half a page is holes, or a row came twice, only a second reading tells deleted rows
        # from moved ones.
        repeats = _repeats_across_pages(self._pages)
        is_same_again = keys == self._earlier_keys and (is_one_piece or not repeats)
        if (repeats or not is_one_piece) and not is_same_again:
            self._earlier_keys = keys
            return self._again("it repeats or lacks rows in every reading")
        return self._finish("total")

    def _ask_probe_pages(self, doubtful: list[Page]) -> list[int]:
        self._awaited_bridges = {probe_offset(page) for page in doubtful}
        self._asked -= self._awaited_bridges
        return sorted(self._awaited_bridges)

    def _accept_probe_page(self, page: Page) -> list[int]:
        self._awaited_bridges.discard(page.skip)
        self._pages_before += 1
        self._bridges[page.skip] = page
        return [] if self._awaited_bridges else self._judge()

    def _again_for_unknown_rows(self) -> list[int]:
        # Where no smaller page can be the answer, the list moves, and that must end.
        if self.most_sent >= self.limit or self.limit == MIN_PAGE_SIZE:
            return self._again("it repeats or lacks rows in every reading")
        half = max(MIN_PAGE_SIZE, self.limit // 2)
        self.limit = self.most_sent if self.most_sent >= MIN_PAGE_SIZE else half
        return self._again("it sends fewer rows a page than it is asked for", counts=False)

    def _lacking(self) -> int:
        """Announced rows that are not there; a row that came twice in a page counts twice."""
        received = len(_keys(self._pages))
        return (self._pages[-1].total or 0) - received - _repeats_in_page(self._pages)

    def _again(self, why: str, *, counts: bool = True, most: int = MAX_REREADS) -> list[int]:
        self._rereads += counts
        if self._rereads > most:
            raise IncompleteError(self.list_id, f"{why}; read {self._rereads} times")
        self._pages_before += len(self._pages)
        self._pages.clear()
        self._bridges.clear()
        self._asked.clear()
        return [0]

    def _finish(self, proof: Proof) -> list[int]:
        received = len(_keys(self._pages))
        expected = self._pages[-1].total if self._pages else None
        self.result = Completeness(
            self.list_id,
            proof,
            expected=received if expected is None else expected,
            received=received,
            holes=max(0, self._lacking()) if self.may_have_holes and self._pages else 0,
            duplicates=_repeats_in_page(self._pages),
            pages=self._pages_before + len(self._pages),
            rereads=self._rereads,
        )
        return []


def missing_total_error(list_id: ListId) -> IncompleteError:
    """Why a list that may have holes is refused where it announces no total."""
    why = "announces no total, so that deleted records cannot be told from its end"
    return IncompleteError(list_id, why)


def _keys(pages: list[Page]) -> frozenset[Key]:
    if len(pages) == 1:
        return pages[0].distinct_keys
    return frozenset[Key]().union(*(page.distinct_keys for page in pages))


def _distinct_rows(pages: list[Page]) -> list[pa.RecordBatch]:
    """The rows, of each key the first, in the order of the offsets."""
    seen: set[Key] = set()
    batches = []
    for page in sorted(pages, key=overlap_offset):
        if len(page.distinct_keys) == len(page.keys) and seen.isdisjoint(page.distinct_keys):
            batches.append(page.rows)
        else:
            first = {key: index for index, key in reversed(list(enumerate(page.keys)))}
            fresh = sorted(first[key] for key in page.distinct_keys - seen)
            batches.append(page.rows.take(pa.array(fresh, pa.int64())))
        seen |= page.distinct_keys
    return batches


def _ascending(pages: list[Page]) -> bool:
    return all(list(page.keys) == sorted(page.keys) for page in pages)


def _repeats_in_page(pages: list[Page]) -> int:
    """Rows that a page has more than once."""
    return sum(len(page.keys) - len(page.distinct_keys) for page in pages)


def _repeats_across_pages(pages: list[Page]) -> bool:
    """Whether a row is in two pages of which it is not the border."""
    seen: set[Key] = set()
    for page in sorted(pages, key=overlap_offset):
        if seen & (page.distinct_keys - set(page.keys[:1])):
            return True
        seen |= page.distinct_keys
    return False


def _gap(pages: list[Page]) -> int | None:
    """Where a sorted list is not yet covered: the offset to ask for; None when all of it is.

    A page covers the keys from its first to its last, at the moment it was read: a record that was
    there all the time and has a key in that range is in the page. So where the ranges of all pages
    touch each other from the start of the list to its end, no such record is missing, whatever was
    inserted or deleted meanwhile.
    """
    start = next(page for page in reversed(pages) if page.skip == 0)
    if not start.keys:
        return None if start.total == 0 else 0
    reach = start.keys[-1]
    for page in sorted((page for page in pages if page.keys), key=lambda page: page.keys[0]):
        if page.keys[0] > reach:
            break
        reach = max(reach, page.keys[-1])
        if page.total is not None and page.skip + len(page.keys) >= page.total:
            return None
    # Half a page before it, so that the new page touches it even if still more is deleted.
    return max(0, _rank(pages, reach) - start.limit // 2)


def _rank(pages: list[Page], key: Key) -> int:
    """How many records come up to a key, as far as the pages tell, the later the better."""
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
