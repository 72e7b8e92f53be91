"""Keeps the pool busy: decides in one thread what is asked next, while the pool's threads ask."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue

import pyarrow as pa

from pipelines.extract.association_targets import AssociationLists
from pipelines.extract.checkpoint import Checkpoint, FinishedList
from pipelines.extract.completeness import Completeness
from pipelines.extract.estimate import Plan, estimate_calls
from pipelines.extract.paginator import OffsetPaginator
from pipelines.extract.progress import Progress, Scope
from pipelines.jumpcloud.client import JumpCloudClient, Request
from pipelines.jumpcloud.endpoints import (
    ENDPOINTS,
    ORGANIZATIONS,
    SYSTEMGROUPS_ASSOCIATIONS,
    Endpoint,
    ListId,
)
from pipelines.jumpcloud.errors import ForbiddenError, NotFoundError, ParentGoneError, RefusedError
from pipelines.jumpcloud.parsing import Page, parse_page, record_keys
from pipelines.jumpcloud.requests import PAGE_SIZE, SEARCH_PAGE_SIZE, is_gone, page_request
from pipelines.jumpcloud.responses import Json
from pipelines.jumpcloud.unknown_fields import MAX_NAMES


class Fetcher:
    """Reads all lists of an organization, each as soon as it is known. Used once, by `pull`.

    Attributes:
        plan: what is to be read; None until the first pages have said how much there is.
        unknown_fields: by endpoint, names of fields in the answers that nobody knew.
    """

    def __init__(
        self,
        client: JumpCloudClient,
        pool: ThreadPoolExecutor,
        scope: Scope,
        spool: Checkpoint,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.plan: Plan | None = None
        self.unknown_fields: dict[str, frozenset[str]] = {}
        self._client = client
        self._pool = pool
        self._spool = spool
        self._spooled = spool.load()
        self._endpoints = scope.endpoints
        self._targets = scope.targets
        self._fanned_out = {each.parent for each in scope.endpoints if each.parent}
        self._associations = AssociationLists(SYSTEMGROUPS_ASSOCIATIONS.name, scope.targets)
        self._on_progress = on_progress
        self._answers: SimpleQueue[Future[Page]] = SimpleQueue()
        self._awaited: dict[Future[Page], OffsetPaginator] = {}
        self._resumed: deque[FinishedList] = deque()
        self._known: set[ListId] = set()
        self._most_sent: dict[str, int] = {}
        self._totals: dict[str, int] = {}
        self._limits: dict[str, int] = {}
        self._parents: set[tuple[str, str]] = set()
        self._finished: dict[ListId, Completeness] = {}
        self._unspooled: dict[ListId, FinishedList] = {}
        self._parent_ids: dict[str, frozenset[str]] = {}

    def run(self) -> list[FinishedList]:
        """Read everything; the finished lists, without those whose parent vanished meanwhile.

        Raises:
            ExtractError: a list could not be read to its end.
        """
        for endpoint in self._endpoints:
            if not endpoint.parent:
                self._start(ListId(endpoint.name))
        while self._awaited or self._resumed:
            if self._resumed:
                self._finish(self._resumed.popleft())
                continue
            future = self._answers.get()
            reading = self._awaited.pop(future, None)
            if reading:
                self._take(future, reading)
        lists = self._spool.load() | self._unspooled
        return [lists[each] for each in self._finished if self._has_parent(each)]

    def _start(self, list_id: ListId, *, by_search: bool = True) -> None:
        self._known.add(list_id)
        if list_id in self._spooled:
            self._resumed.append(self._spooled[list_id])
            return
        endpoint = ENDPOINTS[list_id.endpoint]
        by_search = by_search and bool(endpoint.search_path)
        reading = OffsetPaginator(
            list_id,
            SEARCH_PAGE_SIZE if by_search else PAGE_SIZE,
            is_sorted=endpoint.sorted_by_key,
            may_have_holes=endpoint.may_have_holes,
            by_search=by_search,
        )
        self._ask(reading, reading.start())

    def _ask(self, reading: OffsetPaginator, offsets: Sequence[int]) -> None:
        endpoint = ENDPOINTS[reading.list_id.endpoint]
        request_of = _search if reading.by_search else page_request
        for offset in offsets:
            request = request_of(endpoint, reading.list_id, offset, reading.limit)
            future = self._pool.submit(self._fetch, reading.list_id, request, offset, reading.limit)
            self._awaited[future] = reading
            future.add_done_callback(self._answers.put)

    def _fetch(self, list_id: ListId, request: Request, skip: int, limit: int) -> Page:
        """Ask for one page; runs in the pool."""
        endpoint = ENDPOINTS[list_id.endpoint]
        try:
            answer = self._client.send(request)
        except NotFoundError as error:
            if endpoint.parent and is_gone(
                self._client, ENDPOINTS[endpoint.parent], list_id.parent_id
            ):
                raise ParentGoneError(str(error)) from None
            raise
        return parse_page(endpoint, list_id.parent_id, answer, skip, limit)

    def _take(self, future: Future[Page], reading: OffsetPaginator) -> None:
        try:
            page = future.result()
        except ParentGoneError:
            self._forget(reading)
            reading.parent_is_gone()
        except (ForbiddenError, NotFoundError, RefusedError) as error:
            self._forget(reading)
            self._replace(reading, error)
        else:
            reading.most_sent = self._most_sent.get(reading.list_id.endpoint, 0)
            self._ask(reading, reading.accept(page))
            self._most_sent[reading.list_id.endpoint] = reading.most_sent
            self._count(reading.list_id, page.total or len(page.keys), reading.limit)
            self._note(reading.list_id.endpoint, page.unknown_fields)
            if reading.list_id.endpoint in self._fanned_out:
                for key in page.keys:
                    self._fan_out(reading.list_id.endpoint, key[-1])
        if reading.result:
            self._keep(FinishedList(reading.result, _in_one_piece(reading)))

    def _note(self, endpoint: str, unknown_fields: frozenset[str]) -> None:
        known = self.unknown_fields.get(endpoint, frozenset())
        if len(known) < MAX_NAMES:
            self.unknown_fields[endpoint] = known | unknown_fields

    def _forget(self, reading: OffsetPaginator) -> None:
        """Take no further page of it."""
        for future in [f for f, other in self._awaited.items() if other is reading]:
            del self._awaited[future]
            future.cancel()

    def _replace(
        self, reading: OffsetPaginator, error: ForbiddenError | NotFoundError | RefusedError
    ) -> None:
        """What to do instead of a list that the API refuses; raises the error if nothing."""
        list_id = reading.list_id
        if reading.by_search:
            self._start(list_id, by_search=False)
        elif self._associations.is_probe(list_id):
            self._start_all(self._associations.finished(list_id, None))
        else:
            raise error

    def _fan_out(self, parent: str, parent_id: str) -> None:
        """Start the lists of a parent record, unless an earlier reading had found it already."""
        if (parent, parent_id) in self._parents:
            return
        self._parents.add((parent, parent_id))
        for endpoint in self._endpoints:
            if endpoint.parent == parent and endpoint is not SYSTEMGROUPS_ASSOCIATIONS:
                self._start(ListId(endpoint.name, parent_id))
        if parent == SYSTEMGROUPS_ASSOCIATIONS.parent:
            self._start_all(self._associations.add_group(parent_id))

    def _count(self, list_id: ListId, total: int, limit: int) -> None:
        """Make the plan when the length of every list without parent is known."""
        if self.plan or ENDPOINTS[list_id.endpoint].parent:
            return
        self._totals[list_id.endpoint] = total
        self._limits[list_id.endpoint] = limit
        if all(each.parent or each.name in self._totals for each in self._endpoints):
            self.plan = estimate_calls(
                self._totals, self._limits, self._endpoints, len(self._targets)
            )

    def _keep(self, finished: FinishedList) -> None:
        list_id = finished.completeness.list_id
        if list_id.endpoint == ORGANIZATIONS.name:
            # Which organization answers is asked anew by every attempt.
            self._unspooled[list_id] = finished
        elif not self._associations.is_probe(list_id):
            self._spool.save(finished)
        self._finish(finished)

    def _finish(self, finished: FinishedList) -> None:
        list_id = finished.completeness.list_id
        endpoint = ENDPOINTS[list_id.endpoint]
        if endpoint.name not in self._totals:
            self._count(list_id, finished.completeness.expected, PAGE_SIZE)
        if not self._associations.is_probe(list_id):
            self._finished[list_id] = finished.completeness
        if endpoint.name in self._fanned_out:
            ids = [key[-1] for key in record_keys(endpoint, finished.rows)]
            self._parent_ids[endpoint.name] = frozenset(ids)
            for parent_id in ids:
                self._fan_out(endpoint.name, parent_id)
        if endpoint is SYSTEMGROUPS_ASSOCIATIONS and not self._associations.is_decided:
            keys = frozenset(record_keys(endpoint, finished.rows))
            self._start_all(self._associations.finished(list_id, keys))
        done, known = len(self._finished), len(self._known)
        self._on_progress(Progress(done, known, self._client.counts, self.plan))

    def _start_all(self, lists: Sequence[ListId]) -> None:
        for list_id in lists:
            self._start(list_id)

    def _has_parent(self, list_id: ListId) -> bool:
        """Whether the last reading of the parents' list still holds this list's parent."""
        parent = ENDPOINTS[list_id.endpoint].parent
        return not parent or list_id.parent_id in self._parent_ids[parent]


def _in_one_piece(reading: OffsetPaginator) -> pa.RecordBatch:
    batches = reading.rows()
    if len(batches) == 1:
        return batches[0]
    schema = ENDPOINTS[reading.list_id.endpoint].table_schema
    joined = pa.Table.from_batches(batches, schema).combine_chunks().to_batches()
    return joined[0] if joined else pa.RecordBatch.from_pylist([], schema)


def _search(endpoint: Endpoint, _: ListId, skip: int, limit: int) -> Request:
    # The query's limit and skip count; JumpCloud's own module repeats them in the body.
    body: dict[str, Json] = {**endpoint.parameters, "limit": limit, "skip": skip}
    page = {"limit": str(limit), "skip": str(skip)}
    return Request(endpoint.search_path, page, endpoint.scope, body=body)
