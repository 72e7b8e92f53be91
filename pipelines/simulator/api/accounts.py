"""The scopes of service accounts, and the lists of accounts and roles."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, Protocol

from pipelines.simulator.api.answers import Answer, Request, refusal
from pipelines.simulator.api.behavior import Behavior
from pipelines.simulator.api.lists import Query
from pipelines.simulator.api.pages import encode
from pipelines.simulator.api.routes import is_denied
from pipelines.simulator.data.organization import KeyHolder
from pipelines.simulator.data.records import OBJECT_ID, Record

# Each call with the scopes that allow it (`x-scopes` of JumpCloud's specification of 2026-08-21).
SCOPES: Final[Mapping[str, str]] = {
    "GET /api/applications": "applications applications.readonly",
    "GET /api/applications/{id}": "applications applications.readonly",
    "GET /api/commands": "commands commands.readonly",
    "GET /api/commands/{id}": "commands commands.readonly",
    "GET /api/organizations": "commandrunner.legacy organizations organizations.readonly",
    "GET /api/organizations/{id}": "organizations organizations.readonly",
    "GET /api/radiusservers": "radius radius.readonly",
    "GET /api/radiusservers/{id}": "radius radius.readonly",
    "GET /api/systems": "systems systems.readonly",
    "GET /api/systems/{id}": "systems systems.readonly systems.self",
    "GET /api/systemusers": "commandrunner.legacy users users.readonly",
    "GET /api/systemusers/{id}": "users users.readonly",
    "GET /api/v2/applications/{id}/users": "users users.readonly",
    "GET /api/v2/policies": "systems systems.readonly",
    "GET /api/v2/policies/{id}": "systems systems.readonly",
    "GET /api/v2/policygroups": "groups groups.readonly",
    "GET /api/v2/policygroups/{id}": "groups groups.readonly",
    "GET /api/v2/roles": "roles roles.readonly",
    "GET /api/v2/service-accounts": "serviceaccounts serviceaccounts.readonly",
    "GET /api/v2/service-accounts/{id}": "serviceaccounts serviceaccounts.readonly",
    "GET /api/v2/systemgroups": "groups groups.readonly",
    "GET /api/v2/systemgroups/{id}": "groups groups.readonly",
    "GET /api/v2/systemgroups/{id}/associations": (
        "associations.groups associations.groups.readonly associations associations.readonly "
        "associations.self"
    ),
    "GET /api/v2/systemgroups/{id}/members": "systems systems.readonly",
    "GET /api/v2/systemgroups/{id}/membership": "systems systems.readonly",
    "GET /api/v2/systemgroups/{id}/users": "users users.readonly",
    "GET /api/v2/systems/{id}/associations": (
        "associations.systems associations.systems.readonly associations associations.readonly "
        "associations.self"
    ),
    "GET /api/v2/usergroups": "groups groups.readonly",
    "GET /api/v2/usergroups/{id}": "groups groups.readonly",
    "GET /api/v2/usergroups/{id}/associations": (
        "associations.groups associations.groups.readonly associations associations.readonly"
    ),
    "GET /api/v2/usergroups/{id}/members": "users users.readonly",
    "GET /api/v2/usergroups/{id}/membership": "users users.readonly",
    "GET /api/v2/users/{id}/associations": (
        "associations.users associations.users.readonly associations associations.readonly"
    ),
    "GET /insights/directory/v1/reports": "directoryinsights.readonly",
    "GET /insights/directory/v1/reports/{id}/artifacts/{id}/content": "directoryinsights.readonly",
    "POST /insights/directory/v1/reports/users-to-devices": "directoryinsights.readonly",
    "POST /api/search/systems": "systems systems.readonly commandrunner.legacy",
    "POST /api/search/systemusers": "users users.readonly",
}


class Answerer(Protocol):
    """The routes of a key."""

    def answer(self, request: Request) -> Answer:
        """Return the answer or refusal.

        Raises:
            BadRequestError: The request's parameters are invalid.
        """


class AccountRoutes:
    """The routes of a key holder: those of its scopes, then those of its organizations.

    Args:
        holder: Owner of the key and of the service account.
        behavior: Refusals.
        others: Every other route.
    """

    def __init__(self, holder: KeyHolder, behavior: Behavior, others: Answerer) -> None:
        self._account = holder.account
        self._behavior = behavior
        self._others = others

    def answer(self, request: Request) -> Answer:
        """Return the answer or refusal."""
        if self._is_out_of_scope(request):
            return refusal(HTTPStatus.FORBIDDEN)
        collection, _, record_id = request.path.removeprefix("/api/v2/").partition("/")
        if collection not in {"roles", "service-accounts"}:
            return self._others.answer(request)
        if is_denied(request, self._behavior):
            return refusal(HTTPStatus.FORBIDDEN)
        if collection == "roles":
            return self._page(self._account.roles(), request)
        if not record_id:
            return self._page(self._account.accounts(in_list=True), request)
        records = self._account.accounts(in_list=False)
        found = [record for record in records if record["objectId"] == record_id]
        # As measured, and unlike the specification, which has the bare record.
        document = encode({"serviceAccount": found[0]}) if found else b""
        return Answer(HTTPStatus.OK, document) if found else refusal(HTTPStatus.NOT_FOUND)

    def _page(self, records: list[Record], request: Request) -> Answer:
        query = Query.v2(request.params, self._behavior.page_cap)
        page = records[query.skip : query.skip + query.limit]
        return Answer(HTTPStatus.OK, encode({"results": page, "totalCount": len(records)}))

    def _is_out_of_scope(self, request: Request) -> bool:
        is_key = request.headers.get("x-api-key") == self._account.api_key
        if not is_key and "authorization" not in request.headers:
            return False
        parts = ["{id}" if OBJECT_ID.fullmatch(part) else part for part in request.path.split("/")]
        allowed = SCOPES.get(f"{request.method} {'/'.join(parts)}", "")
        return bool(allowed) and self._account.scopes.isdisjoint(allowed.split())
