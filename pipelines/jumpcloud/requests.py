"""Requests for pages and single records."""

from pipelines.jumpcloud.client import JumpCloudClient, Request
from pipelines.jumpcloud.endpoints import Endpoint, ListId
from pipelines.jumpcloud.errors import NotFoundError

PAGE_SIZE = 100  # the largest documented for lists; without `limit` the API sends 10
SEARCH_PAGE_SIZE = 1000  # as JumpCloud's own PowerShell module requests


def is_gone(client: JumpCloudClient, endpoint: Endpoint, record_id: str) -> bool:
    """Return True if a record was deleted since its list was read."""
    path = endpoint.record_path.format(id=record_id)
    try:
        client.send(Request(path, {}, endpoint.scope, endpoint.takes_org_id))
    except NotFoundError:
        return True
    return False


def page_request(endpoint: Endpoint, list_id: ListId, skip: int, limit: int) -> Request:
    """Return the GET request for one page of a list."""
    path = endpoint.path.format(id=list_id.parent_id)
    targets = {"targets": list_id.target} if list_id.target else {}
    parameters = {**endpoint.parameters, **targets, "limit": str(limit), "skip": str(skip)}
    return Request(path, parameters, endpoint.scope, endpoint.takes_org_id)
