"""How the simulated API behaves beyond its data: load, limits, refusals and faults."""

import random
import re
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field
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
    """One request as the simulator saw it.

    Attributes:
        number: Running number from 1.
        headers: Without the key; names in lower case.
        status: The answer's status; 0 while it is pending or if the connection was broken.
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
    """Makes some calls fail.

    Attributes:
        path_regex: Searched for in `path` and in `path?query`.
        kind: `status` answers `status` with HTML as a proxy does; `reset` breaks the connection;
            `hang` answers nothing for `seconds`; `truncated` sends half the body it announced;
            `html200` and `bad_json` are 200 without JSON; `forbidden` and `not_found` are 403 and
            404 in JSON; `duplicate_rows` delivers the first row again at the end of the page;
            `deep_json` is nested beyond reason; `huge` sends `mebibytes` of rows; `redirect` points
            to another host.
        times: How often at most; None for no bound.
        rate: Share of matching calls that fail.
        every: Only each n-th matching call fails.
        status: Of kind `status`.
        headers: Further headers of kind `status`, such as `retry-after`.
        seconds: Of kind `hang`, which also ends when the server stops.
        mebibytes: Of kind `huge`.
        fired: How often it struck.
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

    def strikes(self, call: Call, dice: random.Random) -> bool:
        """Return whether this call fails, and count it if so."""
        if self.times is not None and self.fired >= self.times:
            return False
        url = f"{call.path}?{call.query}"
        if not (re.search(self.path_regex, call.path) or re.search(self.path_regex, url)):
            return False
        self._matched += 1
        if self.every and self._matched % self.every:
            return False
        if self.rate < 1 and dice.random() >= self.rate:
            return False
        self.fired += 1
        return True


@dataclass
class Behavior:
    """Switches of a simulated API; all can be changed while it serves.

    Attributes:
        latency_seconds: Time every answer takes.
        latency_per_in_flight_seconds: Time added for each call being answered.
        requests_per_second: Steady rate per key, over which 429 is answered; None for
            no limit.
        burst: Calls that may come at once.
        retry_after: Whether and how a 429 says when to come back.
        faults: The first that strikes decides the answer.
        seed: Of the faults' rates.
        denied: Collections that answer 403: the path's first part after `/api`, `/api/v2` or
            `/api/search` (`systems`), or also its last (`systemgroups/users`).
        search: Whether `POST /api/search/...` is there; else it answers `search_status`.
        comma_targets: What `targets=a,b` does.
        on_call: Called with the call's number before each answer is computed, on the server's
            thread; may edit organizations.
        page_cap: Most rows of a page of a GET list; larger limits are cut to it.
        search_cap: The same for searches.
        totals: Whether v2 lists send `x-total-count`.
        link_header: Whether group lists send `Link` to the next page.
        unstable_ties: Whether records that sort equal change places between requests.
        whole_records: Whether lists send every field, whatever `fields` says.
        token_seconds: How long a bearer token holds, and is said to.
        tokens_end_at: Numbers of the calls at which every token that is out ends early.
        default_organization: Whether a provider's key is answered for its first organization,
            whatever `x-org-id` says.
        clock: Seconds, ever growing, by which tokens end.
    """

    latency_seconds: float = 0.0
    latency_per_in_flight_seconds: float = 0.0
    requests_per_second: float | None = None
    burst: int = 8
    retry_after: Literal["seconds", "date"] | None = None
    faults: list[Fault] = field(default_factory=list)
    seed: int = 1
    denied: set[str] = field(default_factory=set)
    search: bool = True
    search_status: int = 404
    comma_targets: Literal["refused", "accepted", "first_only"] = "refused"
    on_call: Callable[[int, Call], None] | None = None
    page_cap: int = 100
    search_cap: int = 1000
    totals: bool = True
    link_header: bool = True
    unstable_ties: bool = False
    whole_records: bool = False
    token_seconds: int = 3600
    tokens_end_at: Container[int] = ()
    default_organization: bool = False
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        """Seed the dice of the faults."""
        self._dice = random.Random(self.seed)  # noqa: S311 - reproducible faults, no cryptography

    def next_fault(self, call: Call) -> Fault | None:
        """Return the fault that strikes this call, if any."""
        for fault in self.faults:
            if fault.strikes(call, self._dice):
                return fault
        return None


@dataclass
class TokenBucket:
    """Lets a steady rate of calls through, and short bursts.

    Attributes:
        clock: Seconds, ever growing.
    """

    clock: Callable[[], float] = time.monotonic
    _tokens: float | None = None
    _filled: float = 0.0

    def wait(self, rate: float, burst: int) -> float:
        """Take a token; return 0 if there was one, else the seconds until there is."""
        now = self.clock()
        if self._tokens is None:
            self._tokens = float(burst)
        else:
            self._tokens = min(float(burst), self._tokens + (now - self._filled) * rate)
        self._filled = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / rate
