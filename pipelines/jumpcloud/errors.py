"""What can go wrong between here and JumpCloud, each with its remedy in the message."""

from pipelines.errors import InventoryError


class ExtractError(InventoryError):
    """The organization could not be read whole; nothing may be published from it."""


class UnauthorizedError(ExtractError):
    """JumpCloud does not know the key (401)."""


class TokenError(ExtractError):
    """A service account gets no token: of no list does that say anything."""


class WrongOrganizationError(ExtractError):
    """Another organization answers than the one that is set."""


class ForbiddenError(ExtractError):
    """The key's role may not read an endpoint (403)."""


class NotFoundError(ExtractError):
    """JumpCloud does not know the id in the path, or the organization (404)."""


class ParentGoneError(ExtractError):
    """A list is not found, and neither is its parent: it was deleted meanwhile."""


class RefusedError(ExtractError):
    """JumpCloud refuses the request as it stands (400, or a status that no reading explains)."""


class MalformedError(ExtractError):
    """An answer cannot be what the API promises: too large, too deep, or of another shape."""


class TemporaryError(ExtractError):
    """A failure that the same request may not meet again: connection, timeout, 5xx, cut body."""


class ThrottledError(TemporaryError):
    """JumpCloud asks for fewer calls (429).

    Attributes:
        retry_after_seconds: how long it asks to wait; None when it does not say.
    """

    def __init__(self, message: str, retry_after_seconds: float | None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class AbortedError(ExtractError):
    """Another call of the same pull failed for good, so this one is not sent."""
