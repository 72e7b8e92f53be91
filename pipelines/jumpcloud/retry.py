"""When a failed call is sent again, how long it waits first, and when the whole pull gives up."""

import threading
import time
from collections.abc import Callable

import tenacity

from pipelines.jumpcloud.errors import ThrottledError

# A 502 in mid-run is normal for JumpCloud; its own tools try 4 to 6 times (fact sheet, section 10).
MAX_TRIES = 8
FIRST_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 60.0
# A dead API ends the pull after this many failures per place in flight, before MAX_TRIES of every
# call are spent; each answered call gives a fifth of a failure back, so that an API that fails
# every tenth call does not end it.
FAILURES_PER_PLACE = 8
MIN_FAILURES = 64
MAX_SILENCE_SECONDS = 300.0  # without one call that succeeds
REFUND_PER_SUCCESS = 0.2

_exponential = tenacity.wait_exponential_jitter(
    initial=FIRST_WAIT_SECONDS, max=MAX_WAIT_SECONDS, jitter=FIRST_WAIT_SECONDS
)


def wait_before_retry(state: tenacity.RetryCallState) -> float:
    """Seconds before the next try: 1, 2, 4, ... 60 and up to 1 more at random.

    The first 429 of a call is left to the throttle, which slows every call down, and keeps a
    longer wait that the answer asks for.
    """
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ThrottledError) and state.attempt_number == 1:
        return 0.0
    return _exponential(state)


def next_try(state: tenacity.RetryCallState, max_tries: int) -> str:
    """Which try comes next, and how long the waits up to the last one take, in words.

    Args:
        state: of a call that waits now.
        max_tries: how often it is sent, at most.
    """
    number = state.attempt_number + 1
    later = range(number, max_tries)
    seconds = state.upcoming_sleep + sum(
        min(FIRST_WAIT_SECONDS * 2 ** (n - 1), MAX_WAIT_SECONDS) for n in later
    )
    return f"try {number} of {max_tries}, the last in about {seconds:.0f} s"


class RetryBudget:
    """How many more failures the calls of one pull may have; shared by its threads."""

    def __init__(self, max_in_flight: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(max(MIN_FAILURES, FAILURES_PER_PLACE * max_in_flight))
        self._left = self._most
        self._clock = clock
        self._succeeded_at = clock()
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """Give a part of a failure back."""
        with self._lock:
            self._left = min(self._most, self._left + REFUND_PER_SUCCESS)
            self._succeeded_at = self._clock()

    def spend(self) -> bool:
        """Take one failure; False when none was left, or nothing succeeded for too long."""
        with self._lock:
            self._left -= 1
            silence = self._clock() - self._succeeded_at
            return self._left > 0 and silence < MAX_SILENCE_SECONDS
