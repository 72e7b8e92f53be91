"""Requests for pages and single records."""

from pipelines.jumpcloud.client import JumpCloudClient, Request
from pipelines.jumpcloud.endpoints import Endpoint, ListId
from pipelines.jumpcloud.errors import NotFoundError

PAGE_SIZE = 100  # the largest documented for lists; without `limit` the API sends 10
SEARCH_PAGE_SIZE = 1000  # what JumpCloud's own PowerShell module asks of its search endpoints


def is_gone(client: JumpCloudClient, endpoint: Endpoint, record_id: str) -> bool:
    """Whether a record was deleted since its list was read."""
    path = endpoint.record_path.format(id=record_id)
    try:
        client.send(Request(path, {}, endpoint.scope, endpoint.takes_org_id))
    except NotFoundError:
        return True
    return False


def page_request(endpoint: Endpoint, list_id: ListId, skip: int, limit: int) -> Request:
    """The GET of one page of a list."""
    path = endpoint.path.format(id=list_id.parent_id)
    targets = {"targets": list_id.target} if list_id.target else {}
    parameters = {**endpoint.parameters, **targets, "limit": str(limit), "skip": str(skip)}
    return Request(path, parameters, endpoint.scope, endpoint.takes_org_id)
