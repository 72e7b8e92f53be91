"""Send one request to JumpCloud, with retries, and parse the response."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from http import HTTPStatus
from typing import TypeVar

import requests
import tenacity

from pipelines.jumpcloud.endpoints import Endpoint, ListId
from pipelines.jumpcloud.errors import (
    AbortedError,
    ExtractError,
    NotFoundError,
    TemporaryError,
    ThrottledError,
)
from pipelines.jumpcloud.responses import (
    MAX_BODY_BYTES,
    Body,
    Json,
    Response,
    map_error,
    parse_body,
    read_body,
)
from pipelines.jumpcloud.retry import (
    MAX_FAILED_SECONDS,
    MAX_TRIES,
    RetryBudget,
    describe_next_try,
    stop_condition,
    wait_before_retry,
)
from pipelines.jumpcloud.transport import TIMEOUT_SECONDS, ReadOnlySession
from pipelines.ratelimit.limiter import RateLimiter

PAGE_SIZE = 100  # the largest documented for lists; without `limit` the API sends 10
_Result = TypeVar("_Result")
SEARCH_PAGE_SIZE = 1000  # as JumpCloud's own PowerShell module requests


@dataclass(frozen=True)
class Request:
    """One read request.

    Attributes:
        path: path below the host.
        parameters: query parameters.
        scope: minimal OAuth scope that may read it, for the message of a 403.
        takes_org_id: True if the header `x-org-id` may be sent with it.
        body: JSON body. It makes the request a POST, which only search paths accept, and the one
            that makes a report.
        url: scheme and host, if it is not the client's.
        makes_report: True if it makes a report. It is not sent again after a failure, and succeeds
            with status 202.
        max_bytes: maximum size of the response.
        is_json: False to accept any content.
    """

    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    scope: str = ""
    takes_org_id: bool = True
    body: Mapping[str, Json] | None = None
    url: str = ""
    makes_report: bool = False
    max_bytes: int = MAX_BODY_BYTES
    is_json: bool = True


def page_request(endpoint: Endpoint, list_id: ListId, skip: int, limit: int) -> Request:
    """Return the GET request for one page of a list."""
    path = endpoint.path.format(id=list_id.parent_id)
    targets = {"targets": list_id.target} if list_id.target else {}
    parameters = {**endpoint.parameters, **targets, "limit": str(limit), "skip": str(skip)}
    return Request(path, parameters, endpoint.scope, endpoint.takes_org_id)


def search_request(endpoint: Endpoint, _: ListId, skip: int, limit: int) -> Request:
    """Return the POST request for one page of a search."""
    # The API uses limit and skip of the query; JumpCloud's own module repeats them in the body.
    body: dict[str, Json] = {**endpoint.parameters, "limit": limit, "skip": skip}
    page = {"limit": str(limit), "skip": str(skip)}
    return Request(endpoint.search_path, page, endpoint.scope, body=body)


@dataclass(frozen=True)
class CallCounts:
    """Number of calls sent, retries included; of retries; and of 429 responses."""

    calls: int = 0
    retries: int = 0
    throttled: int = 0


class JumpCloudClient:
    """Reads from one organization. Thread-safe. Every wait ends when the pull is aborted.

    Attributes:
        rate_limiter: delays calls to the rate that the API accepts.
        max_tries: maximum number of times that a request is sent. Lower it where a person waits.
        max_failed_seconds: time in failed exchanges after which a request is not sent again.
    """

    def __init__(
        self,
        session: ReadOnlySession,
        url: str,
        rate_limiter: RateLimiter,
        *,
        org_id: str = "",
        max_in_flight: int = 8,
        on_retry: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._on_retry = on_retry
        self.max_tries = MAX_TRIES
        self.max_failed_seconds = MAX_FAILED_SECONDS
        self._session = session
        # Proxies and certificates from the environment, which `Session.send` does not look up.
        self._environment = session.merge_environment_settings(url, {}, True, None, None)
        self._url = url
        self.rate_limiter = rate_limiter
        self._org_id = org_id
        self._budget = RetryBudget(max_in_flight)
        self._slots = threading.BoundedSemaphore(max_in_flight)
        self._aborted = threading.Event()
        self._lock = threading.Lock()
        self._counts = CallCounts()

    @property
    def counts(self) -> CallCounts:
        """Return the counts of calls so far."""
        return self._counts

    def abort(self) -> None:
        """Send no further call, and end those in progress. Waiting calls raise AbortedError."""
        self._aborted.set()
        self._session.exchanges.abort()

    def send(self, request: Request) -> Response:
        """Send a request, retry temporary failures, and parse the response.

        Raises:
            ExtractError: no usable response. Its class is the kind of failure.
        """
        return self._retry(self._send_once, request)

    def download(self, request: Request) -> bytes:
        """Send a request, retry temporary failures, and return the body, which may not be JSON.

        Raises:
            ExtractError: no usable response. Its class is the kind of failure.
        """
        return self._retry(self._receive, request).content

    def _retry(self, send: Callable[[Request], _Result], request: Request) -> _Result:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(partial(self._should_retry, request)),
            stop=stop_condition(self.max_tries, self.max_failed_seconds),
            wait=wait_before_retry,
            sleep=self.wait,
            before_sleep=self._before_retry,
            reraise=True,
        )
        return retrying(send, request)

    def is_gone(self, endpoint: Endpoint, record_id: str) -> bool:
        """Return True if a record was deleted since its list was read."""
        path = endpoint.record_path.format(id=record_id)
        try:
            self.send(Request(path, {}, endpoint.scope, endpoint.takes_org_id))
        except NotFoundError:
            return True
        return False

    def _should_retry(self, request: Request, error: BaseException) -> bool:
        # A report may have been made although the response was lost.
        if request.makes_report:
            return False
        return isinstance(error, TemporaryError) and self._budget.spend()

    def _before_retry(self, state: tenacity.RetryCallState) -> None:
        self._count(retries=1)
        if state.outcome:
            next_try = describe_next_try(state, self.max_tries)
            self._on_retry(f"{state.outcome.exception()}; trying again ({next_try})")

    def wait(self, seconds: float) -> None:
        """Wait for some seconds, unless the pull is aborted.

        Raises:
            AbortedError: the pull is aborted.
        """
        if self._aborted.wait(seconds):
            raise AbortedError("not sent: another call failed")

    def _count(self, **more: int) -> None:
        with self._lock:
            now = {name: getattr(self._counts, name) + number for name, number in more.items()}
            self._counts = replace(self._counts, **now)

    def _send_once(self, request: Request) -> Response:
        body = self._receive(request)
        response = parse_body(body, where=(request.url or self._url) + request.path)
        self._budget.record_success()
        return response

    def _receive(self, request: Request) -> Body:
        # Prepared and parsed outside of the slot, so that another call is in flight meanwhile.
        prepared = self._prepare(request)
        with self._slots:
            self.rate_limiter.acquire(self.wait)
            self.wait(0)
            self._count(calls=1)
            try:
                body, latency = self._exchange(prepared, request)
            except ThrottledError as error:
                self._count(throttled=1)
                self.rate_limiter.record_throttled(error.retry_after_seconds)
                raise
            self.rate_limiter.record_success(latency)
        return body

    def _prepare(self, request: Request) -> requests.PreparedRequest:
        headers = {"x-org-id": self._org_id} if self._org_id and request.takes_org_id else {}
        return self._session.prepare_request(
            requests.Request(
                "GET" if request.body is None else "POST",
                (request.url or self._url) + request.path,
                params=request.parameters,
                json=request.body,
                headers=headers,
                auth=lambda prepared: prepared,  # signed when it is sent
            )
        )

    def _exchange(self, prepared: requests.PreparedRequest, request: Request) -> tuple[Body, float]:
        """Return the body, and the seconds until the header arrived: a long body is not load."""
        where = (prepared.url or "").partition("?")[0]
        failure: ExtractError = TemporaryError(f"{where}: the response was truncated")
        with self._session.exchanges.begin() as exchange:
            # Signed here, because a token may expire while the request waits for its slot.
            prepared.prepare_auth(self._session.auth)
            try:
                with self._session.send(
                    prepared, timeout=TIMEOUT_SECONDS, allow_redirects=False, **self._environment
                ) as response:
                    body = read_body(
                        response,
                        where=where,
                        scope=request.scope,
                        success=HTTPStatus.ACCEPTED if request.makes_report else HTTPStatus.OK,
                        max_bytes=request.max_bytes,
                        is_json=request.is_json,
                    )
                    # A header that was cut off looks like one without a body.
                    if not exchange.has_ended:
                        return body, response.elapsed.total_seconds()
            except requests.RequestException as error:
                failure = map_error(error, where=where)
            except TemporaryError as error:
                failure = error
            seconds = exchange.elapsed()
        # Raised outside of the handler, so that the context does not hold the library's error,
        # which holds the request and its key.
        failure = self._session.exchanges.explain(exchange, failure, where)
        if isinstance(failure, TemporaryError):
            failure.seconds = seconds
        raise failure
