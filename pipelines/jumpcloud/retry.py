"""Retry policy: the wait before each retry, and the failures that end the whole pull.

`JumpCloudClient.send` retries by it.
"""

import threading
import time
from collections.abc import Callable

import tenacity

from pipelines.jumpcloud.errors import TemporaryError, ThrottledError

# A 502 in mid-run is normal for JumpCloud. Its own tools try 4 to 6 times
# (docs/reference/jumpcloud-api.md, section 10).
MAX_TRIES = 8
FIRST_WAIT_SECONDS = 1.0
MAX_WAIT_SECONDS = 60.0
# A call that got nothing but silence is given up after two whole exchanges, not after MAX_TRIES,
# which would take 10 minutes.
MAX_FAILED_SECONDS = 120.0
# A dead API ends the pull after this many failures per slot, before every call has used MAX_TRIES.
# Each success refunds a fifth of a failure, so that an API that fails every tenth call does not
# end the pull.
FAILURES_PER_SLOT = 8
MIN_FAILURES = 64
MAX_SILENCE_SECONDS = 300.0  # without one call that succeeds
REFUND_PER_SUCCESS = 0.2

_exponential = tenacity.wait_exponential_jitter(
    initial=FIRST_WAIT_SECONDS, max=MAX_WAIT_SECONDS, jitter=FIRST_WAIT_SECONDS
)


def wait_before_retry(state: tenacity.RetryCallState) -> float:
    """Return the seconds before the next try: 1, 2, 4, ... 60, and up to 1 more at random.

    The first 429 of a call is left to the rate limiter, which slows down all calls and keeps a
    longer wait that the response asks for.
    """
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ThrottledError) and state.attempt_number == 1:
        return 0.0
    return _exponential(state)


def stop_condition(
    max_tries: int, max_failed_seconds: float
) -> Callable[[tenacity.RetryCallState], bool]:
    """Return the condition that ends the tries of one call. It counts, so use it for one call.

    Args:
        max_tries: maximum number of tries.
        max_failed_seconds: seconds in failed exchanges after which there is no further try. Those
            answered with 429 do not count, nor does any wait.
    """
    failed_seconds = 0.0

    def is_over(state: tenacity.RetryCallState) -> bool:
        nonlocal failed_seconds
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, TemporaryError) and not isinstance(error, ThrottledError):
            failed_seconds += error.seconds
        return state.attempt_number >= max_tries or failed_seconds >= max_failed_seconds

    return is_over


def describe_next_try(state: tenacity.RetryCallState, max_tries: int) -> str:
    """Return a message with the number of the next try, and the seconds until the last one.

    Args:
        state: state of a call before its wait.
        max_tries: maximum number of tries.
    """
    number = state.attempt_number + 1
    later = range(number, max_tries)
    seconds = state.upcoming_sleep + sum(
        min(FIRST_WAIT_SECONDS * 2 ** (n - 1), MAX_WAIT_SECONDS) for n in later
    )
    return f"try {number} of {max_tries}, the last in about {seconds:.0f} s"


class RetryBudget:
    """The number of failures left to the calls of one pull. Thread-safe."""

    def __init__(self, max_in_flight: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._max = float(max(MIN_FAILURES, FAILURES_PER_SLOT * max_in_flight))
        self._left = self._max
        self._clock = clock
        self._last_success_at = clock()
        self._lock = threading.Lock()

    def record_success(self) -> None:
        """Refund a part of a failure."""
        with self._lock:
            self._left = min(self._max, self._left + REFUND_PER_SUCCESS)
            self._last_success_at = self._clock()

    def spend(self) -> bool:
        """Spend one failure. Return False if none is left, or no call succeeded for too long."""
        with self._lock:
            self._left -= 1
            silence = self._clock() - self._last_success_at
            return self._left > 0 and silence < MAX_SILENCE_SECONDS
