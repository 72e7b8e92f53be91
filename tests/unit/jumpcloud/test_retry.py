"""The wait before a retry, and the failures that end a pull."""

import pytest
import tenacity

from pipelines.jumpcloud.errors import TemporaryError, ThrottledError
from pipelines.jumpcloud.retry import (
    MAX_SILENCE_SECONDS,
    MAX_TRIES,
    MAX_WAIT_SECONDS,
    MIN_FAILURES,
    RetryBudget,
    stop_condition,
    wait_before_retry,
)


def failed(attempt: int, error: Exception) -> tenacity.RetryCallState:
    """Return the state of a call that has failed this often."""
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.attempt_number = attempt
    state.set_exception((type(error), error, None))
    return state


def test_first_429_waits_in_the_rate_limiter() -> None:
    error = ThrottledError("h", 30.0)
    assert wait_before_retry(failed(1, error)) == 0.0
    assert wait_before_retry(failed(2, error)) >= 2.0


@pytest.mark.parametrize(("attempt", "seconds"), [(1, 1.0), (3, 4.0), (7, MAX_WAIT_SECONDS)])
def test_wait_doubles_up_to_its_maximum(attempt: int, seconds: float) -> None:
    assert seconds <= wait_before_retry(failed(attempt, TemporaryError("h"))) <= seconds + 1.0


def test_silence_ends_the_tries_and_throttling_does_not() -> None:
    silence, throttled = TemporaryError("h"), ThrottledError("h", 900.0)
    silence.seconds = throttled.seconds = 60.0
    is_over = stop_condition(MAX_TRIES, max_failed_seconds=120.0)
    errors = [silence, *[throttled] * 4, silence]
    assert [is_over(failed(n, error)) for n, error in enumerate(errors, 1)] == [False] * 5 + [True]
    patient = stop_condition(MAX_TRIES, max_failed_seconds=120.0)
    assert [patient(failed(n, throttled)) for n in (1, MAX_TRIES)] == [False, True]


def test_budget_ends_after_failures_or_silence() -> None:
    now = 0.0
    budget = RetryBudget(8, clock=lambda: now)
    spent = 0
    while budget.spend():
        spent += 1
    assert spent == MIN_FAILURES - 1
    patient = RetryBudget(8, clock=lambda: now)
    now += MAX_SILENCE_SECONDS - 1
    assert patient.spend()
    patient.record_success()
    now += MAX_SILENCE_SECONDS
    assert not patient.spend()


def test_rare_failures_never_use_up_the_budget() -> None:
    budget = RetryBudget(1)
    for number in range(10_000):
        assert number % 8 or budget.spend()
        budget.record_success()
