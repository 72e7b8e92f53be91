"""Switches of the simulated API: load, limits, refusals and faults."""

import random
import re
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

FaultKind = Literal[
    "status",
    "reset",
    "hang",
    "truncated",
    "html200",
    "bad_json",
    "forbidden",
    "not_found",
    "duplicate_rows",
    "deep_json",
    "huge",
    "redirect",
]


@dataclass
class Call:
    """One request as the simulator received it.

    Attributes:
        number: Running number from 1.
        headers: Headers without keys; names in lower case.
        status: Status of the answer; 0 while it is pending or if the connection was broken.
        started: Seconds of the monotonic clock at arrival.
    """

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    started: float
    status: int = 0


@dataclass
class Fault:
    """A rule that makes some calls fail.

    Attributes:
        path_regex: Pattern searched for in `path` and in `path?query`.
        kind: `status` answers `status` with HTML as a proxy does. `reset` breaks the connection.
            `hang` sends nothing for `seconds`. `truncated` sends half of the announced body.
            `html200` and `bad_json` are 200 without JSON. `forbidden` and `not_found` are 403 and
            404 in JSON. `duplicate_rows` repeats the first row at the end of the page. `deep_json`
            nests 100,000 lists. `huge` sends `mebibytes` of rows. `redirect` points to another
            host.
        times: Largest number of failures; None for no bound.
        rate: Share of matching calls that fail.
        every: Interval n: only each n-th matching call fails.
        status: Status of kind `status`.
        headers: Further headers of kind `status`, such as `retry-after`.
        seconds: Duration of kind `hang`, which also ends when the server stops.
        mebibytes: Size of kind `huge`.
        fired: Number of failures so far.
    """

    path_regex: str
    kind: FaultKind
    times: int | None = None
    rate: float = 1.0
    every: int | None = None
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 60.0
    mebibytes: int = 64
    fired: int = 0
    _matched: int = field(default=0, repr=False)

    def strikes(self, call: Call, rng: random.Random) -> bool:
        """Return whether this call fails, and count it if so."""
        if self.times is not None and self.fired >= self.times:
            return False
        url = f"{call.path}?{call.query}"
        if not (re.search(self.path_regex, call.path) or re.search(self.path_regex, url)):
            return False
        self._matched += 1
        if self.every and self._matched % self.every:
            return False
        if self.rate < 1 and rng.random() >= self.rate:
            return False
        self.fired += 1
        return True


@dataclass
class Behavior:
    """Switches of a simulated API. All can be changed while it serves.

    Attributes:
        latency_seconds: Time of every answer.
        latency_per_in_flight_seconds: Time added for each call in flight.
        requests_per_second: Steady rate per key, above which the answer is 429; None for no limit.
        burst: Size of the token bucket: calls that may arrive at once.
        retry_after: Format of the 429's `retry-after`; None for no such header.
        faults: Rules of failure; the first that strikes decides the answer.
        seed: Seed of the faults' rates.
        denied: Collections that answer 403: the path's first part after `/api`, `/api/v2` or
            `/api/search` (`systems`), or its first and last part (`systemgroups/users`).
        denied_to_service_accounts: Collections that answer 403 to a bearer token, likewise.
        emptied: Lists that are empty although their records exist: `systems`, `users`.
        single_organization: Answer `/api/organizations` with one record instead of a list.
        search: Serve `POST /api/search/...`; otherwise it answers 404.
        comma_targets: Answer to `targets=a,b`.
        on_call: Hook, called with the call's number before each answer is computed, on the
            server's thread. It may edit organizations.
        page_cap: Largest page of a GET list; larger limits are reduced to it.
        search_cap: Largest page of a search.
        totals: Send `x-total-count` with v2 lists.
        v1_totals: Send `totalCount` with v1 lists.
        link_header: Send `Link` to the next page with group lists.
        unstable_ties: Swap records that sort equal between requests.
        whole_records: Send every field with lists, and ignore `fields`.
        token_seconds: Lifetime of a bearer token.
        tokens_end_at: Numbers of the calls at which every issued token ends early.
        default_organization: Answer a provider's key with its first organization, and ignore
            `x-org-id`.
        clock: Monotonic seconds by which tokens end.
        report_age: Age of a completed report of users and devices; None if there is none.
        report_formats: Formats of that report.
        report_polls: Readings of the list until a requested report is completed.
        false_pairs: User, device and type of bindings that reports have and do not exist.
        missing_pairs: User and device of bindings that exist and reports do not have.
    """

    latency_seconds: float = 0.0
    latency_per_in_flight_seconds: float = 0.0
    requests_per_second: float | None = None
    burst: int = 8
    retry_after: Literal["seconds", "date"] | None = None
    faults: list[Fault] = field(default_factory=list)
    seed: int = 1
    denied: set[str] = field(default_factory=set)
    denied_to_service_accounts: set[str] = field(default_factory=set)
    emptied: set[str] = field(default_factory=set)
    single_organization: bool = False
    search: bool = True
    comma_targets: Literal["refused", "accepted", "first_only"] = "refused"
    on_call: Callable[[int, Call], None] | None = None
    page_cap: int = 100
    search_cap: int = 1000
    totals: bool = True
    v1_totals: bool = True
    link_header: bool = True
    unstable_ties: bool = False
    whole_records: bool = False
    token_seconds: int = 3600
    tokens_end_at: Container[int] = ()
    default_organization: bool = False
    clock: Callable[[], float] = time.monotonic
    report_age: timedelta | None = None
    report_formats: tuple[str, ...] = ("CSV", "JSON")
    report_polls: int = 2
    false_pairs: set[tuple[str, str, str]] = field(default_factory=set)
    missing_pairs: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Seed the generator for the rates of faults."""
        self._rng = random.Random(self.seed)  # noqa: S311 - reproducible faults, no cryptography

    def next_fault(self, call: Call) -> Fault | None:
        """Return the fault that strikes this call, if any."""
        for fault in self.faults:
            if fault.strikes(call, self._rng):
                return fault
        return None


@dataclass
class TokenBucket:
    """A bucket that allows a steady rate of calls, and short bursts.

    Attributes:
        clock: Monotonic seconds.
    """

    clock: Callable[[], float] = time.monotonic
    _tokens: float | None = None
    _filled: float = 0.0

    def wait(self, rate: float, burst: int) -> float:
        """Take a token and return 0, or return the seconds until there is one."""
        now = self.clock()
        filled = burst if self._tokens is None else self._tokens + (now - self._filled) * rate
        self._tokens = min(float(burst), filled)
        self._filled = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / rate
