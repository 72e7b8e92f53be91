"""A service provider: one key that reads several organizations."""

from dataclasses import replace
from http import HTTPStatus

from pipelines.simulator.api.answers import Answer, Request, refusal
from pipelines.simulator.api.behavior import Behavior
from pipelines.simulator.api.routes import (
    ORGANIZATIONS_PATH,
    Routes,
    invalid_id,
    is_denied,
    list_organizations,
)
from pipelines.simulator.data.organization import KeyHolder, Organization
from pipelines.simulator.data.records import OBJECT_ID


class Provider(KeyHolder):
    """A service provider.

    Args:
        *organizations: Organizations that its key reads.

    Attributes:
        organizations: The same; may be changed while they are served.
    """

    def __init__(self, *organizations: Organization) -> None:
        super().__init__()
        self.organizations = list(organizations)


class ProviderRoutes:
    """The routes of a provider's key. `x-org-id` selects the organization.

    Args:
        provider: Owner of the key.
        behavior: The same switches as for a single organization.
    """

    def __init__(self, provider: Provider, behavior: Behavior) -> None:
        self._provider = provider
        self._behavior = behavior
        self._routes: dict[str, Routes] = {}

    def answer(self, request: Request) -> Answer:
        """Return the answer or refusal."""
        if request.path == ORGANIZATIONS_PATH:
            if request.headers.get("x-org-id") or is_denied(request, self._behavior):
                return refusal(HTTPStatus.FORBIDDEN)
            organizations = tuple(self._provider.organizations)
            return list_organizations(organizations, request, self._behavior.page_cap)
        org = self._selected(request.headers.get("x-org-id", ""))
        if isinstance(org, Answer):
            return org
        routes = self._routes.setdefault(org.id, Routes(org, self._behavior))
        return routes.answer(replace(request, headers=dict(request.headers) | {"x-org-id": ""}))

    def _selected(self, org_id: str) -> Organization | Answer:
        """Return the selected organization, or the refusal."""
        for org in tuple(self._provider.organizations):
            if org.id == org_id or self._behavior.default_organization:
                return org
        if not org_id:
            return refusal(HTTPStatus.UNAUTHORIZED, "Unauthorized: no organization selected")
        if not OBJECT_ID.fullmatch(org_id):
            return invalid_id(org_id)
        return refusal(HTTPStatus.NOT_FOUND)
