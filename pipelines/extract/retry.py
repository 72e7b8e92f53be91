"""When a failed call is sent again, how long it waits first, and when the whole pull gives up."""

import threading

import tenacity

from pipelines.extract.errors import ThrottledError

# A 502 in mid-run is normal for JumpCloud; its own tools try 4 to 6 times (fact sheet, section 10).
MAX_TRIES = 8
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
# A dead API ends the pull after this many failures per place in flight, before MAX_TRIES of every
# call are spent; each answered call gives a fifth of a failure back, so that one failing call in
# six never ends it.
FAILURES_PER_PLACE = 8
REFUND_PER_SUCCESS = 0.2

_exponential = tenacity.wait_exponential_jitter(
    initial=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS, jitter=FIRST_WAIT_SECONDS
)


def wait_before_retry(state: tenacity.RetryCallState) -> float:
    """Seconds before the next try: 1, 2, 4, ... 60 with up to 1 more at random.

    An answer 429 that names its own wait is left to the throttle, which holds every call back.
    """
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, ThrottledError) and error.retry_after_seconds is not None:
        return 0.0
    return _exponential(state)


class RetryBudget:
    """How many more failures the calls of one pull may have; shared by its threads."""

    def __init__(self, max_in_flight: int) -> None:
        self._most = float(FAILURES_PER_PLACE * max_in_flight)
        self._left = self._most
        self._lock = threading.Lock()

    def succeeded(self) -> None:
        """Give a part of a failure back."""
        with self._lock:
            self._left = min(self._most, self._left + REFUND_PER_SUCCESS)

    def spend(self) -> bool:
        """Take one failure; False when none was left."""
        with self._lock:
            self._left -= 1
            return self._left > 0
