"""Fetch all lists of an organization at the same time."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeAlias

import pyarrow as pa

from pipelines.extract.association_targets import AssociationLists
from pipelines.extract.checkpoint import Checkpoint, FinishedList
from pipelines.extract.estimate import Plan, estimate_calls
from pipelines.jumpcloud.client import (
    PAGE_SIZE,
    SEARCH_PAGE_SIZE,
    CallCounts,
    JumpCloudClient,
    Request,
    page_request,
)
from pipelines.jumpcloud.completeness import Completeness
from pipelines.jumpcloud.endpoints import (
    APPLICATIONS_USERS,
    ENDPOINTS,
    ORGANIZATIONS,
    SYSTEMGROUPS_ASSOCIATIONS,
    SYSTEMGROUPS_MEMBERS,
    SYSTEMGROUPS_USERS,
    SYSTEMS,
    SYSTEMUSERS,
    Endpoint,
    ListId,
)
from pipelines.jumpcloud.errors import (
    ExtractError,
    ForbiddenError,
    NotFoundError,
    ParentGoneError,
    RefusedError,
    UnauthorizedError,
)
from pipelines.jumpcloud.paginator import MAX_REREADS, IncompleteError, OffsetPaginator
from pipelines.jumpcloud.parsing import Page, parse_page, record_keys
from pipelines.jumpcloud.responses import Json
from pipelines.jumpcloud.unknown_fields import MAX_NAMES

Refusal: TypeAlias = ForbiddenError | NotFoundError | RefusedError


# Lists that name records of other lists by their ids.
_NAMED_BY = {
    SYSTEMS.name: {SYSTEMGROUPS_MEMBERS.name},
    SYSTEMUSERS.name: {SYSTEMGROUPS_USERS.name, APPLICATIONS_USERS.name},
}


@dataclass(frozen=True)
class Scope:
    """Endpoints and types of association targets that a pull reads."""

    endpoints: Sequence[Endpoint]
    targets: Sequence[str]


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
        scope: endpoints and targets to read, without the list of organizations once it is refused.
        organizations_refusal: message of the refusal of the list of organizations, or "". It is the
            only list that a pull can do without.
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
        self.organizations_refusal = ""
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
        self._resumed: deque[FinishedList] = deque()
        self._known: set[ListId] = set()
        self._largest_pages: dict[str, int] = {}
        self._totals: dict[str, int] = {}
        self._limits: dict[str, int] = {}
        self._parents: set[tuple[str, str]] = set()
        self._finished: dict[ListId, Completeness] = {}
        self._unsaved: dict[ListId, FinishedList] = {}
        self._parent_ids: dict[str, frozenset[str]] = {}

    def run(self) -> list[FinishedList]:
        """Fetch every list.

        Returns:
            The finished lists, without lists of a parent that was deleted during the pull.

        Raises:
            ExtractError: a list could not be read to its end.
        """
        self._start_lists(
            [ListId(endpoint.name) for endpoint in self.scope.endpoints if not endpoint.parent]
        )
        self._finish_pending()
        self._confirm_gone_parents()
        lists = self._checkpoint.load() | self._unsaved
        self._check_empty_lists()
        self._check_empty_records(lists)
        return [lists[list_id] for list_id in self._finished if self._has_parent(list_id)]

    def _finish_pending(self) -> None:
        while self._pending or self._resumed:
            if self._resumed:
                self._handle_finished(self._resumed.popleft())
                continue
            future = self._done.get()
            paginator = self._pending.pop(future, None)
            if paginator:
                self._handle_page(future, paginator)

    def _confirm_gone_parents(self) -> None:
        """Read the list of a parent that is gone again, until it does not have the parent.

        A deleted parent may stay listed for a while. Most of them are not deleted at the same time.

        Raises:
            IncompleteError: most parents that a list still has are not found.
        """
        for _ in range(MAX_REREADS):
            for name in {ENDPOINTS[list_id.endpoint].parent for list_id in self._gone_lists()}:
                self._saved.pop(ListId(name), None)
                self._start_list(ListId(name))
            self._finish_pending()
        gone: dict[str, dict[str, ListId]] = {}
        for list_id in self._gone_lists():
            gone.setdefault(ENDPOINTS[list_id.endpoint].parent, {})[list_id.parent_id] = list_id
        for name, lists in gone.items():
            if 2 * len(lists) > len(self._parent_ids[name]):
                reason = f"it is not found, and neither is its parent, which {name} still has"
                raise IncompleteError(next(iter(lists.values())), reason)

    def _gone_lists(self) -> list[ListId]:
        """Return the lists that were not found, of parents that the list of parents has."""
        gone = (list_id for list_id, one in self._finished.items() if one.proof == "not found")
        return [list_id for list_id in gone if self._has_parent(list_id)]

    def _check_empty_lists(self) -> None:
        """Check that no list is empty without a total, where others of its endpoint have one."""
        proofs = self._finished.values()
        announced = {proof.list_id.endpoint for proof in proofs if proof.proof == "total"}
        for proof in proofs:
            is_empty = proof.proof == "empty page" and not proof.received
            if is_empty and proof.list_id.endpoint in announced:
                reason = "it is empty, and the API announces no total, but those of other lists"
                raise IncompleteError(proof.list_id, reason)

    def _check_empty_records(self, lists: Mapping[ListId, FinishedList]) -> None:
        """Check that no list of records is empty while another list names one that exists."""
        for name, sources in _NAMED_BY.items():
            proof = self._finished.get(ListId(name))
            if proof is None or proof.received:
                continue
            named = (
                list_id
                for list_id, other in self._finished.items()
                if list_id.endpoint in sources and other.received
            )
            list_id = next(named, None)
            if list_id is None:
                continue
            first = record_keys(ENDPOINTS[list_id.endpoint], lists[list_id].rows)[0][-1]
            if not self._client.is_gone(ENDPOINTS[name], first):
                reason = f"it is empty, but {first} exists, which {list_id} names"
                raise IncompleteError(proof.list_id, reason)

    def _start_lists(self, lists: Sequence[ListId]) -> None:
        for list_id in lists:
            self._start_list(list_id)

    def _start_list(self, list_id: ListId, *, by_search: bool = True) -> None:
        self._known.add(list_id)
        if list_id in self._saved:
            self._resumed.append(self._saved[list_id])
            return
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
        endpoint, list_id = ENDPOINTS[paginator.list_id.endpoint], paginator.list_id
        make_request = _search_request if paginator.by_search else page_request
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
            if endpoint.parent and self._client.is_gone(
                ENDPOINTS[endpoint.parent], list_id.parent_id
            ):
                raise ParentGoneError(str(error)) from None
            raise
        return parse_page(endpoint, list_id.parent_id, answer, skip, limit)

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
            self._save(FinishedList(paginator.result, _combine_rows(paginator)))

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
        if list_id.endpoint == ORGANIZATIONS.name and is_permission(error):
            self.organizations_refusal = str(error)
            read = [one for one in self.scope.endpoints if one is not ORGANIZATIONS]
            self.scope = Scope(read, self.scope.targets)
            self._known.remove(list_id)
            self._record_total(list_id, 0, paginator.limit)
        elif isinstance(error, UnauthorizedError):
            raise error
        elif paginator.by_search:
            self._start_list(list_id, by_search=False)
        elif self._associations.is_probe(list_id):
            self._start_lists(self._associations.finish_list(list_id, None))
        else:
            raise explain_target(error, list_id) from None

    def _start_child_lists(self, parent: str, parent_id: str) -> None:
        """Start the lists of a parent record, unless they were started before."""
        if (parent, parent_id) in self._parents:
            return
        self._parents.add((parent, parent_id))
        for endpoint in self.scope.endpoints:
            if endpoint.parent == parent and endpoint is not SYSTEMGROUPS_ASSOCIATIONS:
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
        if all(endpoint.parent or endpoint.name in self._totals for endpoint in endpoints):
            self.plan = estimate_calls(self._totals, self._limits, endpoints, targets)

    def _record_unknown_fields(self, endpoint: str, unknown_fields: frozenset[str]) -> None:
        known = self.unknown_fields.get(endpoint, frozenset())
        if len(known) < MAX_NAMES:
            self.unknown_fields[endpoint] = known | unknown_fields

    def _save(self, finished: FinishedList) -> None:
        list_id = finished.completeness.list_id
        if list_id.endpoint == ORGANIZATIONS.name or finished.completeness.proof == "not found":
            # Every attempt checks again which organization the key reads, and what is gone.
            self._unsaved[list_id] = finished
        elif not self._associations.is_probe(list_id):
            self._checkpoint.save(finished)
        self._handle_finished(finished)

    def _handle_finished(self, finished: FinishedList) -> None:
        list_id = finished.completeness.list_id
        endpoint = ENDPOINTS[list_id.endpoint]
        if endpoint.name not in self._totals:
            self._record_total(list_id, finished.completeness.expected, PAGE_SIZE)
        if not self._associations.is_probe(list_id):
            self._finished[list_id] = finished.completeness
        if endpoint.name in self._parent_endpoints:
            ids = [key[-1] for key in record_keys(endpoint, finished.rows)]
            self._parent_ids[endpoint.name] = frozenset(ids)
            for parent_id in ids:
                self._start_child_lists(endpoint.name, parent_id)
        if endpoint is SYSTEMGROUPS_ASSOCIATIONS and not self._associations.decided:
            keys = frozenset(record_keys(endpoint, finished.rows))
            self._start_lists(self._associations.finish_list(list_id, keys))
        done, known = len(self._finished), len(self._known)
        self._on_progress(Progress(done, known, self._client.counts, self.plan))

    def _has_parent(self, list_id: ListId) -> bool:
        """Check that the parent's list, as read last, still contains the parent."""
        parent = ENDPOINTS[list_id.endpoint].parent
        return not parent or list_id.parent_id in self._parent_ids[parent]


def is_permission(error: ExtractError) -> bool:
    """Return True if the key may not read an endpoint; a bad key is refused everywhere."""
    return isinstance(error, ForbiddenError | UnauthorizedError)


def explain_target(error: Refusal, list_id: ListId) -> Refusal:
    """Return the refusal of a list, with the setting that leaves its association targets out."""
    if not list_id.target:
        return error
    names = ", ".join(f'"{target}"' for target in list_id.target.split(","))
    return type(error)(f"{error}; or leave the refused {names} out of association_targets")


def _combine_rows(paginator: OffsetPaginator) -> pa.RecordBatch:
    batches = paginator.rows()
    if len(batches) == 1:
        return batches[0]
    schema = ENDPOINTS[paginator.list_id.endpoint].table_schema
    combined = pa.Table.from_batches(batches, schema).combine_chunks().to_batches()
    return combined[0] if combined else pa.RecordBatch.from_pylist([], schema)


def _search_request(endpoint: Endpoint, _: ListId, skip: int, limit: int) -> Request:
    # The API uses limit and skip of the query; JumpCloud's own module repeats them in the body.
    body: dict[str, Json] = {**endpoint.parameters, "limit": limit, "skip": skip}
    page = {"limit": str(limit), "skip": str(skip)}
    return Request(endpoint.search_path, page, endpoint.scope, body=body)
