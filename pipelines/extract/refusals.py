"""Decide what a pull does when the API refuses a list."""

from typing import TypeAlias

from pipelines.jumpcloud.endpoints import ENDPOINTS, ORGANIZATIONS, ListId
from pipelines.jumpcloud.errors import (
    ExtractError,
    ForbiddenError,
    NotFoundError,
    RefusedError,
    UnauthorizedError,
)

Refusal: TypeAlias = ForbiddenError | NotFoundError | RefusedError

# An API or organization may not know this target (docs/reference/jumpcloud-api.md, section 5).
OPTIONAL_TARGET = "radius_server"


def is_permission(error: ExtractError) -> bool:
    """Return True if the key may not read an endpoint; a bad key is refused everywhere."""
    return isinstance(error, ForbiddenError | UnauthorizedError)


def is_dispensable(error: ExtractError, list_id: ListId) -> bool:
    """Return True if a pull goes on without a list that is refused."""
    if list_id.endpoint == ORGANIZATIONS.name:
        return is_permission(error)
    if list_id.target == OPTIONAL_TARGET:
        return isinstance(error, ForbiddenError | RefusedError)
    return ENDPOINTS[list_id.endpoint].is_optional and isinstance(error, Refusal)


def explain_target(error: Refusal, list_id: ListId) -> Refusal:
    """Return the refusal of a list, with the setting that leaves its association targets out."""
    if not list_id.target:
        return error
    names = ", ".join(f'"{target}"' for target in list_id.target.split(","))
    return type(error)(f"{error}; or leave the refused {names} out of association_targets")
