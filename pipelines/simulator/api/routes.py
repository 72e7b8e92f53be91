"""The endpoints: parameters, answers and refusals."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from pipelines.simulator.api.answers import Answer, Request, refusal
from pipelines.simulator.api.behavior import Behavior
from pipelines.simulator.api.lists import (
    GROUP_SORT_FIELDS,
    BadRequestError,
    Query,
    order,
    project,
    record_filter,
)
from pipelines.simulator.api.pages import STRIDE, Page, Pages, encode
from pipelines.simulator.api.reports import REPORTS_PATH, ReportRoutes
from pipelines.simulator.data.organization import Organization
from pipelines.simulator.data.records import OBJECT_ID

ORGANIZATIONS_PATH: Final = "/api/organizations"
V1_LISTS: Final = {
    "systems": "systems",
    "systemusers": "users",
    "applications": "applications",
    "commands": "commands",
    "radiusservers": "radius_servers",
}
V1_RECORDS: Final = frozenset({"systems", "systemusers", "applications"})
V2_LISTS: Final = {
    "systemgroups": "system_groups",
    "usergroups": "user_groups",
    "policies": "policies",
    "policygroups": "policy_groups",
}
SEARCHES: Final = {"systems": "systems", "systemusers": "users"}
LINKED: Final = frozenset({"systemgroups", "usergroups"})
SOURCES: Final = {
    "systemgroups": ("system_groups", "members membership users associations"),
    "applications": ("applications", "users"),
    "usergroups": ("user_groups", "members membership associations"),
    "users": ("users", "associations"),
    "systems": ("systems", "associations"),
}
"""Collection of the sources of each graph list, and its lists."""
TARGETS: Final = {
    "systemgroups": frozenset(
        {"command", "policy", "policy_group", "radius_server", "user", "user_group"}
    ),
    "usergroups": frozenset({"system"}),
    "users": frozenset({"system"}),
    "systems": frozenset({"user", "user_group"}),
}

_GRAPH_PATH: Final = re.compile(rf"/api/v2/({'|'.join(SOURCES)})/([^/]+)(?:/([a-z]+))?")


def invalid_id(text: str) -> Answer:
    """Return the error of an id that is not 24 hex digits."""
    return refusal(HTTPStatus.BAD_REQUEST, f'Bad Request: invalid object id "{text}"')


def is_denied(request: Request, behavior: Behavior) -> bool:
    """Return whether the role of the key or service account must not read a path."""
    denied = behavior.denied
    if "authorization" in request.headers:
        denied = denied | behavior.denied_to_service_accounts
    parts = [part for part in request.path.split("/") if part not in ("", "api", "v2", "search")]
    return not denied.isdisjoint({*parts[:1], "/".join(parts[:1] + parts[-1:])})


def list_organizations(orgs: Sequence[Organization], request: Request, cap: int) -> Answer:
    """Return a page of the organizations that a key reads.

    Raises:
        BadRequestError: The request's parameters are invalid.
    """
    query = Query.v1(request.params, cap)
    found = order(filter(record_filter(query.filters), [org.record() for org in orgs]), query.sort)
    if found and not query.sort:
        start = request.number * STRIDE % len(found)
        found = found[start:] + found[:start]
    page = found[query.skip : query.skip + query.limit]
    return _v1(Page([encode(project(record, query.fields)) for record in page], len(found)))


class Routes:
    """The routes of one organization's key.

    Args:
        org: The organization.
        behavior: Caps, totals and refusals.
    """

    def __init__(self, org: Organization, behavior: Behavior) -> None:
        self._org = org
        self._behavior = behavior
        self._pages = Pages(org)
        self._reports = ReportRoutes(org, behavior)

    def answer(self, request: Request) -> Answer:
        """Return the answer or refusal. The lock keeps edits out."""
        with self._org.lock:
            is_report = request.path.startswith(REPORTS_PATH)
            route = self._reports.answer if is_report else self._route
            return self._refuse(request) or route(request)

    def _list(self, collection: str, query: Query, request: Request) -> Page:
        if collection in self._behavior.emptied:
            return Page([], 0)
        ties = self._behavior.unstable_ties
        if self._behavior.whole_records:
            query = replace(query, fields=())
        return self._pages.collection(collection, query, request.number, unstable_ties=ties)

    def _refuse(self, request: Request) -> Answer | None:
        org_id = request.headers.get("x-org-id", "")
        if org_id and request.path == ORGANIZATIONS_PATH:
            return refusal(HTTPStatus.FORBIDDEN)
        if org_id and not OBJECT_ID.fullmatch(org_id):
            return invalid_id(org_id)
        if org_id and org_id != self._org.id:
            return refusal(HTTPStatus.NOT_FOUND)
        denied = is_denied(request, self._behavior)
        return refusal(HTTPStatus.FORBIDDEN) if denied else None

    def _route(self, request: Request) -> Answer:
        if request.method == "POST":
            return self._search(request)
        if request.path.startswith("/api/v2/"):
            name = request.path.removeprefix("/api/v2/")
            return self._v2_list(name, request) if name in V2_LISTS else self._graph(request)
        name = request.path.removeprefix("/api/")
        if request.path == ORGANIZATIONS_PATH:
            if self._behavior.single_organization:
                return Answer(HTTPStatus.OK, encode(self._org.record()))
            return list_organizations([self._org], request, self._behavior.page_cap)
        if name in V1_LISTS:
            query = Query.v1(request.params, self._behavior.page_cap)
            return self._v1(self._list(V1_LISTS[name], query, request))
        collection, _, record_id = name.partition("/")
        return self._record(collection, record_id)

    def _record(self, collection: str, record_id: str) -> Answer:
        records = getattr(self._org, V1_LISTS[collection]) if collection in V1_RECORDS else {}
        if record_id not in records or record_id in self._org.vanished:
            return refusal(HTTPStatus.NOT_FOUND)
        return Answer(HTTPStatus.OK, encode(records[record_id]))

    def _search(self, request: Request) -> Answer:
        if not self._behavior.search:
            return refusal(HTTPStatus.NOT_FOUND)
        name = request.path.removeprefix("/api/search/")
        if name not in SEARCHES:
            return refusal(HTTPStatus.NOT_FOUND)
        query = Query.search(request.params, _json_body(request), self._behavior.search_cap)
        return self._v1(self._list(SEARCHES[name], query, request))

    def _v2_list(self, name: str, request: Request) -> Answer:
        query = Query.v2(request.params, self._behavior.page_cap)
        allowed = {"name", "id"} if name == "policies" else GROUP_SORT_FIELDS
        for sort in query.sort:
            if sort.lstrip("-") not in allowed:
                raise BadRequestError(f'Bad Request: cannot sort by "{sort}"')
        page = self._list(V2_LISTS[name], query, request)
        link = name in LINKED and self._behavior.link_header
        return self._v2(page, _next_link(request, query, page) if link else {})

    def _graph(self, request: Request) -> Answer:
        match = _GRAPH_PATH.fullmatch(request.path)
        if match is None:
            return refusal(HTTPStatus.NOT_FOUND)
        source, source_id, list_name = match.groups()
        if not OBJECT_ID.fullmatch(source_id):
            return invalid_id(source_id)
        collection, lists = SOURCES[source]
        known = getattr(self._org, collection)
        if source_id not in known or source_id in self._org.vanished:
            return refusal(HTTPStatus.NOT_FOUND)
        if list_name is None and source in LINKED:
            return Answer(HTTPStatus.OK, encode(known[source_id]))
        if list_name not in lists.split():
            return refusal(HTTPStatus.NOT_FOUND)
        return self._edges(source, source_id, str(list_name), request)

    def _edges(self, source: str, source_id: str, name: str, request: Request) -> Answer:
        query = Query.v2(request.params, self._behavior.page_cap)
        if name in ("members", "membership"):
            paths = name == "membership"
            return self._v2(self._pages.members(source_id, query, paths=paths))
        if name == "users":
            return self._v2(self._pages.users(source_id, query))
        targets = self._targets(source, request.params.get("targets", ""))
        return self._v2(self._pages.associations(source_id, targets, query))

    def _targets(self, source: str, text: str) -> list[str]:
        targets = text.split(",")
        refused = len(targets) > 1 and self._behavior.comma_targets == "refused"
        if refused or not TARGETS[source].issuperset(targets):
            raise BadRequestError(f'Bad Request: invalid targets "{text}"')
        return targets[:1] if self._behavior.comma_targets == "first_only" else targets

    def _v1(self, page: Page) -> Answer:
        if self._behavior.v1_totals:
            return _v1(page)
        return Answer(HTTPStatus.OK, b'{"results":[%s]}' % b",".join(page.rows))

    def _v2(self, page: Page, headers: Mapping[str, str] | None = None) -> Answer:
        total = {"x-total-count": str(page.total)} if self._behavior.totals else {}
        return Answer(HTTPStatus.OK, b"[%s]" % b",".join(page.rows), total | dict(headers or {}))


def _v1(page: Page) -> Answer:
    body = b'{"totalCount":%d,"results":[%s]}' % (page.total, b",".join(page.rows))
    return Answer(HTTPStatus.OK, body)


def _json_body(request: Request) -> Mapping[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise BadRequestError("Bad Request: the body must be a JSON object")
    return body


def _next_link(request: Request, query: Query, page: Page) -> dict[str, str]:
    skip = query.skip + query.limit
    if skip >= page.total:
        return {}
    params = dict(request.params) | {"skip": str(skip), "limit": str(query.limit)}
    text = "&".join(f"{quote(key)}={quote(value)}" for key, value in params.items())
    return {"link": f'<{request.path}?{text}>; rel="next"'}
