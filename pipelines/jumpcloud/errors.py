"""Errors of reading from JumpCloud. Each message has a remedy."""

from pipelines.errors import InventoryError


class ExtractError(InventoryError):
    """The organization could not be read completely, so nothing may be published from it."""


class UnauthorizedError(ExtractError):
    """JumpCloud does not know the key (401)."""


class TokenError(ExtractError):
    """A service account got no token. This does not depend on the list that was requested."""


class WrongOrganizationError(ExtractError):
    """The responses are of another organization than the configured one."""


class ForbiddenError(ExtractError):
    """The key's role may not read an endpoint (403)."""


class NotFoundError(ExtractError):
    """JumpCloud does not know the id in the path, or the organization (404)."""


class ParentGoneError(ExtractError):
    """A list and its parent are not found: the parent was deleted during the pull."""


class RefusedError(ExtractError):
    """JumpCloud refuses the request (400, or an unexpected status)."""


class MalformedError(ExtractError):
    """A response that violates the API: too large, too deeply nested, or of another shape."""


class TemporaryError(ExtractError):
    """A failure that a retry may fix: connection, timeout, 5xx, truncated body.

    Attributes:
        seconds: duration of the exchange that failed.
    """

    seconds = 0.0


class ThrottledError(TemporaryError):
    """JumpCloud requests fewer calls (429).

    Attributes:
        retry_after_seconds: requested wait, or None.
    """

    def __init__(self, message: str, retry_after_seconds: float | None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class AbortedError(ExtractError):
    """The call is not sent, because another call of the same pull failed permanently."""
