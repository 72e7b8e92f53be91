"""An API on a simulated clock that may allow a rate only."""

import math
from collections.abc import Callable
from dataclasses import dataclass

LATENCY = 0.05


@dataclass
class Api:
    """Answers after a latency that may depend on the calls in flight; may allow a rate only.

    Attributes:
        limit: calls a second, None without bound.
        burst: calls at once.
        latency: seconds, by the calls in flight.
        names_pause: whether a 429 has a Retry-After, in whole seconds as HTTP wants it.
    """

    limit: float | None = None
    burst: float = 1.0
    latency: Callable[[int], float] = lambda _: LATENCY
    names_pause: bool = False
    _tokens: float = math.inf
    _filled_at: float = 0.0

    def answer(self, at: float) -> tuple[bool, float | None]:
        """Whether a call that arrives now is accepted, and the Retry-After."""
        if self.limit is None:
            return True, None
        filled = self._tokens + (at - self._filled_at) * self.limit
        self._tokens, self._filled_at = min(self.burst, filled), at
        if self._tokens >= 1 - 1e-9:
            self._tokens -= 1
            return True, None
        return False, math.ceil((1 - self._tokens) / self.limit) if self.names_pause else None
