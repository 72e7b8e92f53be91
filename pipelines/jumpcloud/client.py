"""Sends one request to JumpCloud until it has a usable answer, or says why there is none."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import requests
import tenacity

from pipelines.jumpcloud.errors import AbortedError, TemporaryError, ThrottledError
from pipelines.jumpcloud.responses import Answer, Body, Json, map_error, parse_body, read_body
from pipelines.jumpcloud.retry import MAX_TRIES, RetryBudget, next_try, wait_before_retry
from pipelines.jumpcloud.transport import TIMEOUT_SECONDS
from pipelines.ratelimit.limiter import RateLimiter

HANDOVER_SECONDS = 0.0003  # until a thread that waits for a place is awake


@dataclass(frozen=True)
class Request:
    """One read.

    Attributes:
        path: path below the host.
        parameters: query parameters.
        scope: least OAuth scope that may read it, named when the role is refused.
        takes_org_id: whether the header `x-org-id` may be sent with it.
        body: JSON body; with one the request is a POST, which only search paths take.
    """

    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    scope: str = ""
    takes_org_id: bool = True
    body: Mapping[str, Json] | None = None


@dataclass(frozen=True)
class CallCounts:
    """Calls sent, retries included; those that were retries; answers 429."""

    calls: int = 0
    retries: int = 0
    throttled: int = 0


class JumpCloudClient:
    """Reads from one organization; thread-safe; every wait ends when the pull is aborted.

    Attributes:
        throttle: says when the next call may go out.
        max_tries: how often a request is sent, at most; may be lowered where a person waits.
    """

    def __init__(
        self,
        session: requests.Session,
        url: str,
        throttle: RateLimiter,
        *,
        org_id: str = "",
        max_in_flight: int = 8,
        on_retry: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._on_retry = on_retry
        self.max_tries = MAX_TRIES
        self._session = session
        # The environment's proxies and certificates, which `send` does not look up by itself.
        self._environment = session.merge_environment_settings(url, {}, True, None, None)
        self._url = url
        self.throttle = throttle
        self._org_id = org_id
        self._budget = RetryBudget(max_in_flight)
        self._places = threading.BoundedSemaphore(max_in_flight)
        self._aborted = threading.Event()
        self._lock = threading.Lock()
        self._counts = CallCounts()

    @property
    def counts(self) -> CallCounts:
        """What was sent so far."""
        return self._counts

    def abort(self) -> None:
        """Let no further call out; calls that wait raise AbortedError."""
        self._aborted.set()

    def send(self, request: Request) -> Answer:
        """Send the request, again where that may help, and parse the answer.

        Raises:
            ExtractError: there is no usable answer; the class says of which kind.
        """
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._is_worth_a_retry),
            stop=tenacity.stop_after_attempt(self.max_tries),
            wait=wait_before_retry,
            sleep=self._sleep,
            before_sleep=self._before_retry,
            reraise=True,
        )
        return retrying(self._send_once, request)

    def _is_worth_a_retry(self, error: BaseException) -> bool:
        return isinstance(error, TemporaryError) and self._budget.spend()

    def _before_retry(self, state: tenacity.RetryCallState) -> None:
        self._count(retries=1)
        if state.outcome:
            again = next_try(state, self.max_tries)
            self._on_retry(f"{state.outcome.exception()}; trying again ({again})")

    def _sleep(self, seconds: float) -> None:
        if self._aborted.wait(seconds):
            raise AbortedError("not sent: another call failed")

    def _count(self, **more: int) -> None:
        with self._lock:
            now = {name: getattr(self._counts, name) + number for name, number in more.items()}
            self._counts = replace(self._counts, **now)

    def _send_once(self, request: Request) -> Answer:
        # What needs no place is done before and after, so that another call is under way meanwhile.
        prepared = self._prepare(request)
        with self._places:
            self.throttle.acquire(self._sleep)
            self._sleep(0)
            self._count(calls=1)
            try:
                body, latency = self._exchange(prepared, request.scope)
            except ThrottledError as error:
                self._count(throttled=1)
                self.throttle.throttled(error.retry_after_seconds)
                raise
            self.throttle.succeeded(latency)
        # The thread that takes the place goes first: it needs the interpreter only to send.
        time.sleep(HANDOVER_SECONDS)
        answer = parse_body(body, where=self._url + request.path)
        self._budget.succeeded()
        return answer

    def _prepare(self, request: Request) -> requests.PreparedRequest:
        headers = {"x-org-id": self._org_id} if self._org_id and request.takes_org_id else {}
        return self._session.prepare_request(
            requests.Request(
                "GET" if request.body is None else "POST",
                self._url + request.path,
                params=request.parameters,
                json=request.body,
                headers=headers,
                auth=_unsigned,
            )
        )

    def _exchange(self, request: requests.PreparedRequest, scope: str) -> tuple[Body, float]:
        """The body, and the seconds until its header came: a long body tells of no load."""
        where = (request.url or "").partition("?")[0]
        # Not when it was prepared: a token may end while the request waits for its place.
        request.prepare_auth(self._session.auth)
        try:
            with self._session.send(
                request,
                timeout=TIMEOUT_SECONDS,
                allow_redirects=False,
                **self._environment,
            ) as response:
                body = read_body(response, where=where, scope=scope)
                return body, response.elapsed.total_seconds()
        except requests.RequestException as error:
            failure = map_error(error, where=where)
        # Raised out here, so that the library's error, which holds the request and its key, does
        # not travel along as the context.
        raise failure


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
