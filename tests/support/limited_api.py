"""Simulate an API with an optional rate limit."""

import math
from collections.abc import Callable
from dataclasses import dataclass

LATENCY = 0.05


@dataclass
class Api:
    """An API with a latency that may depend on the calls in flight, and an optional rate limit.

    Attributes:
        limit: calls a second. None if unlimited.
        burst: number of calls that are accepted at once.
        latency: function of the number of calls in flight that returns seconds.
        names_pause: True if a 429 has a `Retry-After` in whole seconds.
    """

    limit: float | None = None
    burst: float = 1.0
    latency: Callable[[int], float] = lambda _: LATENCY
    names_pause: bool = False
    _tokens: float = math.inf
    _filled_at: float = 0.0

    def answer(self, at: float) -> tuple[bool, float | None]:
        """Return True if a call that arrives now is accepted, and its Retry-After."""
        if self.limit is None:
            return True, None
        filled = self._tokens + (at - self._filled_at) * self.limit
        self._tokens, self._filled_at = min(self.burst, filled), at
        if self._tokens >= 1 - 1e-9:
            self._tokens -= 1
            return True, None
        return False, math.ceil((1 - self._tokens) / self.limit) if self.names_pause else None
