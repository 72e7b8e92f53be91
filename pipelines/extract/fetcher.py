"""Fetch all lists of an organization at the same time."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue

import pyarrow as pa

from pipelines.extract.association_targets import AssociationLists
from pipelines.extract.checkpoint import Checkpoint
from pipelines.extract.empty_lists import (
    check_empty_lists,
    check_empty_records,
    check_gone_parents,
)
from pipelines.extract.estimate import Plan, choose_binding_list, estimate_calls
from pipelines.extract.refusals import Refusal, explain_target, is_dispensable
from pipelines.extract.scope import Scope
from pipelines.jumpcloud.client import (
    PAGE_SIZE,
    SEARCH_PAGE_SIZE,
    CallCounts,
    JumpCloudClient,
    Request,
    page_request,
    search_request,
)
from pipelines.jumpcloud.completeness import Completeness
from pipelines.jumpcloud.endpoints import (
    ENDPOINTS,
    ORGANIZATIONS,
    SYSTEMGROUPS_ASSOCIATIONS,
    SYSTEMS_ASSOCIATIONS,
    USERS_ASSOCIATIONS,
    Endpoint,
    ListId,
)
from pipelines.jumpcloud.errors import (
    ForbiddenError,
    NotFoundError,
    ParentGoneError,
    RefusedError,
    UnauthorizedError,
)
from pipelines.jumpcloud.paginator import MAX_REREADS, OffsetPaginator
from pipelines.jumpcloud.parsing import Key, Page, parse_page, record_keys
from pipelines.jumpcloud.unknown_fields import MAX_NAMES

# Pages requested in advance. A list of each user takes much more memory while it waits.
MAX_PENDING = 256
_BINDING_LISTS = (USERS_ASSOCIATIONS, SYSTEMS_ASSOCIATIONS)


@dataclass(frozen=True)
class Progress:
    """Progress of a pull.

    Attributes:
        lists_done: lists read to their end.
        lists_known: lists known so far.
        counts: calls sent so far.
        plan: estimate of the whole pull; None until all its totals are known.
    """

    lists_done: int
    lists_known: int
    counts: CallCounts
    plan: Plan | None


class Fetcher:
    """Fetcher of all lists of one pull. It is used once.

    The caller's thread decides what to request next; the threads of the pool send the requests.

    Attributes:
        plan: estimate of the whole pull; None until all its totals are known.
        unknown_fields: names of unknown fields in the records, by endpoint.
        scope: endpoints and targets to read, without those that are refused, and with one list of
            direct bindings once the plan is made.
        refusals: messages of refusals that a pull can do without, by endpoint, also for a target.
    """

    def __init__(
        self,
        client: JumpCloudClient,
        pool: ThreadPoolExecutor,
        scope: Scope,
        checkpoint: Checkpoint,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self.plan: Plan | None = None
        self.unknown_fields: dict[str, frozenset[str]] = {}
        self.refusals: dict[str, str] = {}
        self._client = client
        self._pool = pool
        self._checkpoint = checkpoint
        self._saved = checkpoint.load()
        self.scope = scope
        self._parent_endpoints = {endpoint.parent for endpoint in scope.endpoints} - {""}
        self._associations = AssociationLists(SYSTEMGROUPS_ASSOCIATIONS.name, scope.targets)
        self._on_progress = on_progress
        self._done: SimpleQueue[Future[Page]] = SimpleQueue()
        self._pending: dict[Future[Page], OffsetPaginator] = {}
        self._resumed: deque[Completeness] = deque()
        self._waiting: deque[ListId] = deque()
        self._known: set[ListId] = set()
        self._largest_pages: dict[str, int] = {}
        self._totals: dict[str, int] = {}
        self._limits: dict[str, int] = {}
        self._repeated: set[ListId] = set()
        self._parents: dict[str, dict[str, None]] = {}
        self._finished: dict[ListId, Completeness] = {}
        # Rows of lists that each attempt reads, and of those that this one read twice.
        self._unsaved: dict[ListId, pa.RecordBatch] = {}
        self._parent_ids: dict[str, frozenset[str]] = {}
        self._calls_before = client.counts.calls

    def run(self, lists: Sequence[ListId] = ()) -> list[Completeness]:
        """Fetch every list, or only some lists of records that exist.

        Returns:
            The proofs, without lists of a parent that was deleted during the pull.

        Raises:
            ExtractError: a list could not be read to its end.
        """
        roots = [ListId(endpoint.name) for endpoint in self.scope.endpoints if not endpoint.parent]
        self._start_lists(lists or roots)
        self._finish_pending()
        if not lists:
            self._confirm_gone_parents()
        check_empty_lists(self._finished.values())
        check_empty_records(self._finished, self._first_key, self._client.is_gone)
        self._finished = {
            list_id: proof for list_id, proof in self._finished.items() if self._has_parent(list_id)
        }
        return list(self._finished.values())

    def _finish_pending(self) -> None:
        while self._pending or self._resumed or self._waiting:
            if self._resumed:
                self._handle_finished(self._resumed.popleft(), None)
                continue
            while self._waiting and len(self._pending) < MAX_PENDING:
                self._request(self._waiting.popleft())
            future = self._done.get()
            paginator = self._pending.pop(future, None)
            if paginator:
                self._handle_page(future, paginator)

    def _confirm_gone_parents(self) -> None:
        """Read the list of a parent that is gone again, until it does not have the parent."""
        for _ in range(MAX_REREADS):
            for name in {ENDPOINTS[list_id.endpoint].parent for list_id in self._gone_lists()}:
                self._saved.pop(ListId(name), None)
                self._start_list(ListId(name))
            self._finish_pending()
        check_gone_parents(self._gone_lists(), self._parent_ids)

    def _gone_lists(self) -> list[ListId]:
        """Return the lists that were not found, of parents that the list of parents has."""
        gone = (list_id for list_id, one in self._finished.items() if one.proof == "not found")
        return [list_id for list_id in gone if self._has_parent(list_id)]

    def read_table(self, endpoint: Endpoint) -> pa.Table:
        """Return the rows of all lists of an endpoint, after `run`."""
        unsaved = {list_id for list_id in self._unsaved if list_id.endpoint == endpoint.name}
        saved = self._checkpoint.read_table(endpoint.name, self._finished.keys() - unsaved)
        batches = [self._unsaved[list_id] for list_id in unsaved & self._finished.keys()]
        return pa.concat_tables([saved, pa.Table.from_batches(batches, endpoint.table_schema)])

    def _start_lists(self, lists: Sequence[ListId]) -> None:
        for list_id in lists:
            self._start_list(list_id)

    def _start_list(self, list_id: ListId) -> None:
        if not self.scope.includes(list_id):
            return
        self._known.add(list_id)
        if list_id in self._saved:
            self._resumed.append(self._saved[list_id])
        else:
            # Which associations follow depends on those of the first groups.
            add = self._waiting.appendleft if list_id.target else self._waiting.append
            add(list_id)

    def _request(self, list_id: ListId, *, by_search: bool = True) -> None:
        """Request the first page of a list."""
        endpoint = ENDPOINTS[list_id.endpoint]
        by_search = by_search and bool(endpoint.search_path)
        paginator = OffsetPaginator(
            list_id,
            SEARCH_PAGE_SIZE if by_search else PAGE_SIZE,
            is_sorted=endpoint.sorted_by_key,
            may_have_holes=endpoint.may_have_holes,
            needs_total=endpoint.needs_total,
            by_search=by_search,
        )
        self._submit(paginator, paginator.start())

    def _submit(self, paginator: OffsetPaginator, offsets: Sequence[int]) -> None:
        list_id = paginator.list_id
        endpoint = self.scope.to_request(ENDPOINTS[list_id.endpoint])
        make_request = search_request if paginator.by_search else page_request
        for offset in offsets:
            request = make_request(endpoint, list_id, offset, paginator.limit)
            future = self._pool.submit(self._fetch, list_id, request, offset, paginator.limit)
            self._pending[future] = paginator
            future.add_done_callback(self._done.put)

    def _fetch(self, list_id: ListId, request: Request, skip: int, limit: int) -> Page:
        """Fetch one page, in a thread of the pool."""
        endpoint = ENDPOINTS[list_id.endpoint]
        try:
            answer = self._client.send(request)
        except NotFoundError as error:
            parent = ENDPOINTS.get(endpoint.parent)
            if parent and self._client.is_gone(parent, list_id.parent_id):
                raise ParentGoneError(str(error)) from None
            raise
        names = self.scope.custom_attributes
        return parse_page(endpoint, list_id.parent_id, answer, skip, limit, names)

    def _handle_page(self, future: Future[Page], paginator: OffsetPaginator) -> None:
        try:
            page = future.result()
        except ParentGoneError:
            self._cancel(paginator)
            paginator.finish_deleted()
        except (ForbiddenError, NotFoundError, RefusedError, UnauthorizedError) as error:
            self._cancel(paginator)
            self._handle_refusal(paginator, error)
        else:
            self._accept_page(paginator, page)
        if paginator.result:
            self._save(paginator.result, _combine_rows(paginator))

    def _accept_page(self, paginator: OffsetPaginator, page: Page) -> None:
        name = paginator.list_id.endpoint
        paginator.largest_page = self._largest_pages.get(name, 0)
        self._submit(paginator, paginator.accept(page))
        self._largest_pages[name] = paginator.largest_page
        self._record_total(paginator.list_id, page.total or len(page.keys), paginator.limit)
        self._record_unknown_fields(name, page.unknown_fields)
        if name in self._parent_endpoints:
            for key in page.keys:
                self._start_child_lists(name, key[-1])

    def _cancel(self, paginator: OffsetPaginator) -> None:
        """Cancel the pending requests of a list, and ignore their answers."""
        for future in [f for f, other in self._pending.items() if other is paginator]:
            del self._pending[future]
            future.cancel()

    def _handle_refusal(
        self, paginator: OffsetPaginator, error: Refusal | UnauthorizedError
    ) -> None:
        """Read a refused list in another way, or raise the error if there is none."""
        list_id = paginator.list_id
        if self._is_odd(list_id):
            self._repeated.add(list_id)
            self._request(list_id)
        elif is_dispensable(error, list_id):
            self.refusals[list_id.endpoint] = str(error)
            if list_id.target:
                self._leave_target_out(list_id.target)
            else:
                self._leave_endpoint_out(list_id.endpoint)
                self._record_total(list_id, 0, paginator.limit)
        elif isinstance(error, UnauthorizedError):
            raise error
        elif paginator.by_search:
            self._request(list_id, by_search=False)
        elif self._associations.is_probe(list_id):
            self._start_lists(self._associations.finish_list(list_id, None))
        else:
            raise explain_target(error, list_id) from None

    def _is_odd(self, list_id: ListId) -> bool:
        """Return True for the first refusal of an optional endpoint, or of a list among others."""
        name = list_id.endpoint
        if not list_id.parent_id or not ENDPOINTS[name].is_optional or list_id in self._repeated:
            return False
        return name in self._largest_pages or all(one.endpoint != name for one in self._repeated)

    def _leave_endpoint_out(self, name: str) -> None:
        """Read an endpoint and its child lists no longer."""
        read = [one for one in self.scope.endpoints if name not in {one.name, one.parent}]
        self.scope = replace(self.scope, endpoints=read)
        names = {endpoint.name for endpoint in read}
        self._forget(lambda list_id: list_id.endpoint not in names)

    def _leave_target_out(self, target: str) -> None:
        """Read the associations with a target no longer."""
        targets = [other for other in self.scope.targets if other != target]
        self.scope = replace(self.scope, targets=targets)
        self._forget(lambda list_id: list_id.target == target)
        self._start_lists(self._associations.drop_target(target))

    def _forget(self, is_left_out: Callable[[ListId], bool]) -> None:
        """Forget lists that are refused."""
        for paginator in [p for p in self._pending.values() if is_left_out(p.list_id)]:
            self._cancel(paginator)
        self._waiting = deque(one for one in self._waiting if not is_left_out(one))
        self._resumed = deque(one for one in self._resumed if not is_left_out(one.list_id))
        for list_id in [one for one in self._known if is_left_out(one)]:
            self._known.remove(list_id)
            self._finished.pop(list_id, None)

    def _start_child_lists(self, parent: str, parent_id: str) -> None:
        """Start the lists of a parent record, unless they were started before."""
        started = self._parents.setdefault(parent, {})
        if parent_id in started:
            return
        started[parent_id] = None
        # It is not known before the plan which list of direct bindings is read.
        others = (SYSTEMGROUPS_ASSOCIATIONS, *(() if self.plan else _BINDING_LISTS))
        for endpoint in self.scope.endpoints:
            if endpoint.parent == parent and endpoint not in others:
                self._start_list(ListId(endpoint.name, parent_id))
        if parent == SYSTEMGROUPS_ASSOCIATIONS.parent:
            self._start_lists(self._associations.add_group(parent_id))

    def _record_total(self, list_id: ListId, total: int, limit: int) -> None:
        """Record the length of a list, and make the estimate when all lengths are known."""
        if self.plan or ENDPOINTS[list_id.endpoint].parent:
            return
        self._totals[list_id.endpoint] = total
        self._limits[list_id.endpoint] = limit
        endpoints, targets = self.scope.endpoints, len(self.scope.targets)
        if any(not one.parent and one.name not in self._totals for one in endpoints):
            return
        endpoints = choose_binding_list(endpoints, self._totals)
        self.scope = replace(self.scope, endpoints=endpoints)
        devices = None if self.scope.devices is None else len(self.scope.devices)
        plan = estimate_calls(self._totals, self._limits, endpoints, targets, devices)
        self.plan = plan.with_calls(self._calls_before)
        for endpoint in endpoints:
            if endpoint in _BINDING_LISTS:
                parents = self._parents.get(endpoint.parent, {})
                self._start_lists([ListId(endpoint.name, parent_id) for parent_id in parents])

    def _record_unknown_fields(self, endpoint: str, unknown_fields: frozenset[str]) -> None:
        known = self.unknown_fields.get(endpoint, frozenset())
        if len(known) < MAX_NAMES:
            self.unknown_fields[endpoint] = known | unknown_fields

    def _save(self, proof: Completeness, rows: pa.RecordBatch) -> None:
        list_id = proof.list_id
        if self._is_checked_again(proof) or list_id in self._finished:
            self._unsaved[list_id] = rows
        elif not self._associations.is_probe(list_id):
            self._checkpoint.save(proof, rows)
        self._handle_finished(proof, rows)

    def _is_checked_again(self, proof: Completeness) -> bool:
        """Return True if each attempt checks it: the organization of the key, and what is gone."""
        return proof.list_id.endpoint == ORGANIZATIONS.name or proof.proof == "not found"

    def _read_keys(self, list_id: ListId, rows: pa.RecordBatch | None) -> list[Key]:
        """Return the keys of the rows; None for those of a finished list."""
        rows = self._unsaved.get(list_id) if rows is None else rows
        if rows is None:
            rows = self._checkpoint.read_rows(list_id)
        return record_keys(ENDPOINTS[list_id.endpoint], rows)

    def _first_key(self, list_id: ListId) -> str:
        return self._read_keys(list_id, None)[0][-1]

    def _handle_finished(self, proof: Completeness, rows: pa.RecordBatch | None) -> None:
        list_id = proof.list_id
        endpoint = ENDPOINTS[list_id.endpoint]
        if endpoint.name not in self._totals:
            self._record_total(list_id, proof.expected, PAGE_SIZE)
        if not self._associations.is_probe(list_id):
            self._finished[list_id] = proof
        if endpoint.name in self._parent_endpoints:
            ids = [key[-1] for key in self._read_keys(list_id, rows)]
            self._parent_ids[endpoint.name] = frozenset(ids)
            for parent_id in ids:
                self._start_child_lists(endpoint.name, parent_id)
        if endpoint is SYSTEMGROUPS_ASSOCIATIONS and not self._associations.decided:
            keys = frozenset(self._read_keys(list_id, rows))
            self._start_lists(self._associations.finish_list(list_id, keys))
        done, known = len(self._finished), len(self._known)
        self._on_progress(Progress(done, known, self._client.counts, self.plan))

    def _has_parent(self, list_id: ListId) -> bool:
        """Check that the parent's list, as read last, still contains the parent."""
        ids = self._parent_ids.get(ENDPOINTS[list_id.endpoint].parent)
        return ids is None or list_id.parent_id in ids


def _combine_rows(paginator: OffsetPaginator) -> pa.RecordBatch:
    schema = ENDPOINTS[paginator.list_id.endpoint].table_schema
    combined = pa.Table.from_batches(paginator.rows(), schema).combine_chunks().to_batches()
    return combined[0] if combined else pa.RecordBatch.from_pylist([], schema)
