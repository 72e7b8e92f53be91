"""How one list is read to its end, and how it is proven that it was.

Knows nothing of HTTP: it is told of pages and says which offsets to ask for next. A page's length
never decides anything, since deleted members are cut from pages after paging (fact sheet,
section 11).
"""

from dataclasses import dataclass, field

import pyarrow as pa

from pipelines.extract.completeness import Completeness, ListId, Proof
from pipelines.extract.errors import IncompleteError
from pipelines.extract.records import Key, Page

MAX_REREADS = 3
# Each repair closes a gap of up to half a page; only a list that loses records faster than it can
# be read needs more.
MAX_REPAIRS = 50
# A total beyond this is refused, so that a broken server cannot make the reading endless.
MAX_ROWS = 10_000_000


@dataclass
class Reading:
    """One list while it is read. Not thread-safe: one coordinator feeds it.

    Attributes:
        list_id: which list.
        limit: rows asked for per page.
        is_sorted: whether the pages come in the order of the unique key.
    """

    list_id: ListId
    limit: int
    is_sorted: bool
    result: Completeness | None = None
    _pages: list[Page] = field(default_factory=list)
    _asked: set[int] = field(default_factory=set)
    _outstanding: int = 0
    _pages_before: int = 0
    _rereads: int = 0
    _earlier_keys: frozenset[Key] | None = None

    def start(self) -> list[int]:
        """The offsets to ask for first."""
        return self._ask([0])

    def accept(self, page: Page) -> list[int]:
        """Take a page; the offsets to ask for next, none while others are awaited or it is done.

        Raises:
            IncompleteError: the list moves faster than it can be read, or announces nonsense.
        """
        self._outstanding -= 1
        self._pages.append(page)
        if page.total is not None and page.total > MAX_ROWS:
            raise IncompleteError(self.list_id, f"announces {page.total:,} records; refused")
        offsets = self._ask(self._following(page))
        if offsets or self._outstanding:
            return offsets
        return self._ask(self._judge())

    def parent_is_gone(self) -> None:
        """Take it that the list's parent was deleted: the list is empty, and done."""
        self._pages.clear()
        self._finish("not found")

    def rows(self) -> list[pa.RecordBatch]:
        """The distinct rows, after `result` is there."""
        return list(_distinct(self._pages)[1])

    def _ask(self, offsets: list[int]) -> list[int]:
        new = [offset for offset in offsets if offset not in self._asked]
        self._asked.update(new)
        self._outstanding += len(new)
        return new

    def _following(self, page: Page) -> list[int]:
        if page.total is None:
            return [page.skip + page.limit] if page.keys else []
        if page.total <= self.limit:
            return []
        # In a sorted list each page repeats the last row of the one before: see _gap.
        step = self.limit - 1 if self.is_sorted else self.limit
        end = page.total - 1 if self.is_sorted else page.total
        return list(range(step, end, step))

    def _judge(self) -> list[int]:
        """All pages asked for are there: done, or what to ask for again."""
        if self.is_sorted and not _ascending(self._pages):
            self.is_sorted = False
            return self._again("is not sorted as asked")
        if self.is_sorted and len(self._pages) > 1:
            return self._judge_sorted()
        return self._judge_by_total()

    def _judge_sorted(self) -> list[int]:
        offset = _gap(self._pages)
        if offset is None:
            self._finish("overlap")
            return []
        self._rereads += 1
        if self._rereads > MAX_REPAIRS:
            raise IncompleteError(self.list_id, "changes faster than it can be read")
        self._asked.discard(offset)
        return [offset]

    def _judge_by_total(self) -> list[int]:
        totals = {page.total for page in self._pages}
        keys = frozenset(_distinct(self._pages)[0])
        received, rows = len(keys), sum(len(page.keys) for page in self._pages)
        if totals == {None}:
            self._finish("empty page")
            return []
        total = self._pages[-1].total
        if len(totals) > 1 or total is None or received > total:
            return self._again("its announced total moves, or disagrees with its rows")
        # One page is one moment: what it lacks was deleted. Across pages, rows that repeat or lack
        # may have moved; the same rows in a second reading say that they have not.
        is_suspect = rows > received or received < total
        if len(self._pages) > 1 and is_suspect and keys != self._earlier_keys:
            self._earlier_keys = keys
            return self._again("repeats or lacks rows in every reading")
        self._finish("total")
        return []

    def _again(self, why: str) -> list[int]:
        self._rereads += 1
        if self._rereads > MAX_REREADS:
            raise IncompleteError(self.list_id, f"{why}; read {self._rereads} times")
        self._pages_before += len(self._pages)
        self._pages.clear()
        self._asked.clear()
        return [0]

    def _finish(self, proof: Proof) -> None:
        received = len(_distinct(self._pages)[0])
        expected = self._pages[-1].total if self._pages else None
        if proof == "overlap":
            rows = sum(len(page.keys) for page in self._pages)
            received_once = sum(len(set(page.keys)) for page in self._pages)
            duplicates = rows - received_once
        else:
            duplicates = sum(len(page.keys) for page in self._pages) - received
        self.result = Completeness(
            self.list_id,
            proof,
            expected=received if expected is None else expected,
            received=received,
            holes=max(0, (expected or 0) - received),
            duplicates=duplicates,
            pages=self._pages_before + len(self._pages),
            rereads=self._rereads,
        )


def _distinct(pages: list[Page]) -> tuple[list[Key], list[pa.RecordBatch]]:
    """Each key once, and the rows that go with them, in the order of the offsets."""
    seen: dict[Key, None] = {}
    batches = []
    for page in sorted(pages, key=lambda page: page.skip):
        fresh = []
        for index, key in enumerate(page.keys):
            if key not in seen:
                seen[key] = None
                fresh.append(index)
        whole = len(fresh) == len(page.keys)
        batches.append(page.rows if whole else page.rows.take(pa.array(fresh, pa.int64())))
    return list(seen), batches


def _ascending(pages: list[Page]) -> bool:
    return all(list(page.keys) == sorted(page.keys) for page in pages)


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
        if page.total is not None and page.skip + page.limit >= page.total:
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
