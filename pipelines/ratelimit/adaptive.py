"""Learn how many calls a second an API accepts, from its responses alone. Pure: takes the time.

JumpCloud publishes no limit, so the rate is controlled as TCP controls congestion. Slow start: the
rate doubles until the API, or the number of calls in flight, is the bottleneck. Multiplicative
decrease (AIMD): a 429 halves it, and the calls accepted between two 429s measure the limit. Fast
recovery: the rate returns to the limit. It stays there for a time that doubles with each 429, and
then grows, first slowly and then steeply (compare CUBIC, RFC 9438). Where the latency doubles
against its minimum, the rate falls before a 429.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

# Calls a second. The calls of the first second are sent at once, to get feedback sooner.
START_RATE = 4.0
MIN_RATE = 1.0  # a run of 429s must not stop the pull
MAX_RATE = 1000.0
FIRST_ROUND_TRIP = 1.0  # seconds, before the first response (RFC 6298). Also a short idle time

CLEAN_CALLS = 2  # accepted calls that end a step of slow start, or fast recovery
SAMPLE = 8  # calls of a running mean, which gives the newest a weight of 1/8 (RFC 6298)
WINDOW = 32  # a median of 32 is stable within 30 % where single calls vary by 50 %
MAX_DOUBLINGS = 5  # of the number of calls for which a rate is held
SIMILAR = 1.15  # rates, or times, that differ by a smaller factor count as equal
MIDWAY = 0.75  # of a rate that was refused, and its half accepted


@dataclass
class Latencies:
    """Detects that the latency doubled against its minimum, by the medians of windows of calls.

    Attributes:
        began_at: start time of the current window.
        calls: number of calls of the last full window.
    """

    began_at: float
    calls: int = 0
    _window: list[float] = field(default_factory=list)
    _lowest_median: float | None = None
    _slowed_at_median: float | None = None

    def restart(self, at: float) -> None:
        """Discard the current window and begin another."""
        self.began_at = at
        self._window.clear()

    def add(self, latency: float) -> bool | None:
        """Add a call. Return True if it completes a slow window, None if it completes none."""
        self._window.append(latency)
        if len(self._window) < (WINDOW if self._lowest_median else SAMPLE):
            return None
        latest = median(self._window)
        self.calls = len(self._window)
        self._window.clear()
        if self._slowed_at_median and SIMILAR * latest > self._slowed_at_median:
            self._lowest_median = latest  # a lower rate did not help: our calls are not the cause
        # The minimum rises slowly, to follow an API that becomes slower.
        self._lowest_median = min(latest, (1 + 1 / WINDOW) * (self._lowest_median or latest))
        slow = latest >= 2 * self._lowest_median
        self._slowed_at_median = latest if slow else None
        return slow


@dataclass
class AdaptiveRate:
    """The rate in calls a second, and what was learned about the limit.

    Attributes:
        current: calls a second now.
        max: upper bound of `current`.
        estimate: calls a second that the API was measured to accept. None during slow start.
        accepted_rate: highest calls a second accepted over a window, and not refused since.
    """

    current: float = START_RATE
    max: float = MAX_RATE
    estimate: float | None = None
    accepted_rate: float = 0.0
    _calls: int = 0
    _refused: float = 0.0
    _back_offs: int = 0
    _epoch: "_Epoch" = field(default_factory=lambda: _Epoch(0.0, 0.0))
    _recovered: bool = True
    _doubled_at: float = 0.0
    _clean_calls: int = 0
    _paused_until: float = 0.0
    _sent_at: deque[float] = field(default_factory=deque)
    _waiting: float = 1.0
    _latency: float = 0.0
    _latencies: Latencies = field(default_factory=lambda: Latencies(0.0))

    def __post_init__(self) -> None:
        """Bound the number of calls, also when restored from JSON."""
        self._sent_at = deque(self._sent_at, SAMPLE)

    @property
    def best(self) -> float:
        """Return the rate that the next run may start with."""
        return self.accepted_rate if self._refused else max(self.accepted_rate, self.current)

    def begin(self, at: float) -> None:
        """Start at the time of the first call."""
        # A saved rate is an estimate that is doubted from the first response on.
        self.estimate = self.current if self.current > START_RATE else None
        self._set(self.current)
        self._epoch = _Epoch(at, at)
        self._doubled_at = at
        self._latencies = Latencies(at)

    @property
    def interval(self) -> float:
        """Return the seconds between two calls."""
        burst = self._calls < START_RATE and self.estimate is None and self.max >= MAX_RATE
        return 0.0 if burst else 1 / self.current

    def set_max(self, max_rate: float) -> None:
        """Replace the upper bound. An estimate above the old bound is used at once."""
        if max_rate > self.max and self.estimate is not None and self._recovered:
            self.current = max(self.current, self.estimate)
        self.max = max_rate
        self._set(self.current)

    def record_sent(self, at: float, *, waited: bool) -> None:
        """Record that a call goes out. `waited` is True where the rate delayed it."""
        if self._sent_at:
            idle = at - max(self._sent_at[-1], self._paused_until)
            if idle > FIRST_ROUND_TRIP + 2 / self.current:
                self._skip(at, idle)
        self._calls += 1
        self._sent_at.append(at)
        self._waiting += (waited - self._waiting) / SAMPLE

    def record_success(self, at: float, latency: float) -> None:
        """Record an accepted call.

        Args:
            at: current time, in seconds of a clock that only goes forward.
            latency: seconds until the response arrived.
        """
        before = self._latency or latency
        self._latency = before + (latency - before) / SAMPLE
        if latency > at - self._epoch.began_at:
            return  # sent at an earlier rate
        self._epoch.accepted += 1
        self._epoch.responses.append((at, self.current))
        if not self._recovered:
            self._recover()
        elif self._rate_limited:
            self._grow(at, latency)
        self._watch_latency(at, latency)

    def record_throttled(self, at: float, pause: float = 0.0) -> None:
        """Record a 429.

        Args:
            at: current time.
            pause: seconds during which no call may be sent.
        """
        self._paused_until = max(self._paused_until, at + pause)
        if self._refused and at < self._epoch.began_at + SIMILAR * self._round_trip:
            return  # sent before the last back-off
        if self.estimate is None and self._calls <= START_RATE:
            return  # refused as a burst, which does not depend on the rate
        estimate = self._measure(at)
        self.accepted_rate = min(self.accepted_rate, estimate)
        self._back_off(at, self._sent_rate / 2, estimate, self._bound, pause)

    def _skip(self, at: float, idle: float) -> None:
        """Exclude a time without calls from all measurements."""
        self._sent_at.clear()
        self._latencies.restart(at)
        self._epoch.began_at += idle
        self._epoch.heard_at += idle

    @property
    def _round_trip(self) -> float:
        return self._latency or FIRST_ROUND_TRIP

    @property
    def _rate_limited(self) -> bool:
        """Return True if most calls wait for the rate, so that a higher rate would be used."""
        return 2 * self._waiting > 1

    @property
    def _sent_rate(self) -> float:
        times = self._sent_at
        seconds = times[-1] - times[0] if times else 0.0
        return min(self.current, (len(times) - 1) / seconds) if seconds else self.current

    @property
    def _bound(self) -> float:
        return self.current if self._rate_limited else self._sent_rate

    def _measure(self, at: float) -> float:
        if self.estimate is None:
            return MIDWAY * self._bound
        epoch = self._epoch
        recent = min(self._bound, epoch.throughput(at, self.current, self._round_trip / 4))
        if epoch.grows:
            return recent
        # The token bucket of the API was empty when the epoch began, and is empty now.
        seconds = max(at - epoch.began_at - self._round_trip, self._round_trip / 4)
        overall = min(recent, (epoch.accepted + 0.5) / seconds)
        # During a pause, the API may or may not save up calls.
        trust = MIDWAY if epoch.paused else 0.0
        return trust * recent + (1 - trust) * overall

    def _back_off(
        self, at: float, rate: float, estimate: float, refused: float, pause: float
    ) -> None:
        self._back_offs = 0 if self.estimate is None else min(self._back_offs + 1, MAX_DOUBLINGS)
        self._epoch = _Epoch(
            began_at=at,
            heard_at=at + pause + self._round_trip,
            paused=pause > 0,
            # The second term corrects an estimate from few calls soon.
            hold_calls=min(WINDOW * 2**self._back_offs, SAMPLE * self._epoch.accepted),
        )
        self.estimate, self._refused = estimate, refused
        self._recovered = False
        self._waiting = 1.0
        self._latencies.restart(at)
        self._set(min(rate, estimate))

    def _recover(self) -> None:
        """Raise the rate to the estimate, once some calls were accepted."""
        if self.estimate is not None and self._epoch.accepted >= CLEAN_CALLS:
            self._set(max(self.current, self.estimate))
            self._recovered = True

    def _grow(self, at: float, latency: float) -> None:
        epoch = self._epoch
        if self.estimate is None:
            self._clean_calls += latency <= at - self._doubled_at
            if self._clean_calls >= CLEAN_CALLS:
                self._clean_calls, self._doubled_at = 0, at
                self._set(2 * self.current)
        elif epoch.accepted >= epoch.hold_calls:
            epoch.grow()
            above = SIMILAR * self._refused
            if self.current > above:  # the limit must have changed
                self._set(self.current * (1 + 1 / WINDOW))
            else:
                self._set(self.current + (above - self.estimate) / (4 * WINDOW))

    def _watch_latency(self, at: float, latency: float) -> None:
        slow = self._latencies.add(latency)
        if slow is None:
            return
        rate = min(self.current, self._latencies.calls / (at - self._latencies.began_at))
        if slow:
            too_high = max(2 * rate, self.accepted_rate)
            self._back_off(at, rate / 2, rate, too_high, 0.0)
        else:
            self.accepted_rate = max(self.accepted_rate, rate)
        self._latencies.began_at = at

    def _set(self, rate: float) -> None:
        self.current = min(max(rate, MIN_RATE), self.max, MAX_RATE)


@dataclass
class _Epoch:
    """The time since the last back-off. Calls sent earlier are not counted.

    Attributes:
        began_at: time of the back-off.
        heard_at: time from which responses to its own calls arrive.
        paused: True if a pause was requested.
        hold_calls: number of accepted calls before the rate grows.
        accepted: number of accepted calls.
        grows: True since the rate began to grow.
        responses: time of each accepted call, and the rate then; since the rate grows, if it does.
    """

    began_at: float
    heard_at: float
    paused: bool = False
    hold_calls: int = 0
    accepted: int = 0
    grows: bool = False
    responses: deque[tuple[float, float]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Bound the number of responses, also when restored from JSON."""
        self.responses = deque(self.responses, 2 * WINDOW)

    def grow(self) -> None:
        """Measure only the responses from here on."""
        if not self.grows:
            self.grows = True
            self.responses.clear()

    def throughput(self, at: float, rate: float, min_seconds: float) -> float:
        """Return the accepted calls a second while about this rate was allowed."""
        times = [time for time, allowed in self.responses if SIMILAR * allowed >= rate]
        if times and times[-1] > times[0]:
            return (len(times) - 1) / (times[-1] - times[0])
        return (self.accepted + 0.5) / max(at - self.heard_at, min_seconds)
