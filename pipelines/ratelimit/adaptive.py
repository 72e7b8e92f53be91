"""How many calls a second to send, learnt from the answers alone. Pure: it is told the time.

JumpCloud publishes no limit, so none is assumed: the rate doubles until the API, or the number of
calls in flight, is the bottleneck. An answer 429 halves it, and what was accepted between two of
them tells the limit: the rate then returns to just below it, stays there for a while that doubles
with each 429, and only then grows, gently at first. Where latency doubles against its own
minimum, it slows down before it is told to.
"""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

LATENCY_CALLS = 32  # the median of so many stays within 30 % although single calls vary by 50 %
FIRST_LATENCY_CALLS = 8  # before the calls themselves make the answers slow
LATENCY_FACTOR = 2.0
HELPED = 0.9  # slowing down that leaves more than this of the latency did not help
LATENCY_DRIFT = 1.01  # of the minimum, each window: an API that became slower is learnt anew


@dataclass
class Latencies:
    """Tells whether answers take twice as long as they can, by medians of some calls each.

    Attributes:
        began_at: when the present window of calls began.
        calls: how many the last full one had.
    """

    began_at: float
    calls: int = 0
    _window: list[float] = field(default_factory=list)
    _lowest_median: float | None = None
    _slowed_at_median: float | None = None

    def restart(self, at: float) -> None:
        """Begin the window anew."""
        self.began_at = at
        self._window.clear()

    def are_slow(self, latency: float) -> bool:
        """Whether this is twice as long as it can be."""
        return latency >= LATENCY_FACTOR * (self._lowest_median or latency)

    def add(self, latency: float) -> bool | None:
        """Whether the window that this call completes was slow; None if it completes none."""
        self._window.append(latency)
        if len(self._window) < (LATENCY_CALLS if self._lowest_median else FIRST_LATENCY_CALLS):
            return None
        now = median(self._window)
        self.calls = len(self._window)
        self._window.clear()
        if self._slowed_at_median and now > HELPED * self._slowed_at_median:
            self._lowest_median = now  # it is not our calls that make the answers slow
        self._lowest_median = min(now, LATENCY_DRIFT * (self._lowest_median or now))
        is_slow = self.are_slow(now)
        self._slowed_at_median = now if is_slow else None
        return is_slow


START_RATE = 4.0
MIN_RATE = 1.0  # a run of refusals must not stop the pull
MAX_RATE = 1000.0  # no API answers one client so often

# Accepted at a doubled rate before it doubles again, and at a halved one before it returns.
ROUND_CALLS = 2
# Without a limit that is known or set, so many go out at once: the first answers come sooner.
START_CALLS = 4
PLATEAU = 0.995  # of the limit, to which it returns: just below
ROUND_TRIPS = 1.5  # a 429 so soon after a fall answers a call that was sent before it

# The rate is held for a while that doubles with each fall: a limit that is known is met ever more
# rarely, and what was concluded from few calls is soon corrected.
HOLD_CALLS = 24
HOLD_PAUSES = 2.0  # where a 429 costs a pause, it must be rarer
HOLD_DOUBLINGS = 5
HOLD_PER_ACCEPTED = 8  # a limit measured by n calls is held for 8 n at most
REGAIN_CALLS = 100  # in so many it then grows to the rate that was refused,
GENTLE = 0.0005  # by this share of the limit each at least;
BEYOND = 1.1  # so far above, the limit is no longer what it was,
STEEP = 0.03  # and each call adds this share of the rate

SIMILAR = 0.85  # calls sent at this share of the rate or more tell how many it got accepted
MIN_MEASURED = 4
BETWEEN = 0.75  # half of a doubled rate was accepted and the whole was not: between them
TRUST_IN_RECENT = 0.75  # after a pause, in which an API may save up calls and may not

LATENCY_SLOWDOWN = 0.9

IDLE_SECONDS = 1.0
LATENCY_UNKNOWN = 1.0
NEWEST_LATENCY = 1 / 8  # its weight in the running mean
NEWEST_WAIT = 1 / 16
RECENT_SENT = 8
RECENT_ANSWERS = 64


@dataclass
class Rate:
    """The rate, in calls a second, and what was learnt.

    Attributes:
        now: calls a second at present.
        most: never more than this.
        limit: calls a second that the API was measured to accept; None while the rate doubles.
        best: most calls a second that were accepted over a while, and not refused since.
    """

    now: float = START_RATE
    most: float = MAX_RATE
    limit: float | None = None
    best: float = 0.0
    _calls: int = 0
    _refused: float = 0.0
    _falls: int = 0
    _epoch: "_Epoch" = field(default_factory=lambda: _Epoch(0.0, 0.0))
    _is_back: bool = True
    _doubled_at: float = 0.0
    _clean_calls: int = 0
    _paused_until: float = 0.0
    _sent_at: deque[float] = field(default_factory=deque)
    _waiting: float = 1.0
    _latency: float = 0.0
    _latencies: Latencies = field(default_factory=lambda: Latencies(0.0))

    def __post_init__(self) -> None:
        """Of what is restored, too, only the newest calls are kept."""
        self._sent_at = deque(self._sent_at, RECENT_SENT)

    @property
    def good(self) -> float:
        """The rate that the next run may start with: what was sent need not have been the limit."""
        return self.best if self._refused else max(self.best, self.now)

    def begin(self, at: float) -> None:
        """The first call goes out now."""
        # A remembered rate is a limit that is doubted from the first answer on.
        self.limit = self.now if self.now > START_RATE else None
        self._set(self.now)
        self._epoch = _Epoch(at, at)
        self._doubled_at = at
        self._latencies = Latencies(at)

    @property
    def interval(self) -> float:
        """Seconds between two calls."""
        is_start = self._calls < START_CALLS and self.limit is None and self.most >= MAX_RATE
        return 0.0 if is_start else 1 / self.now

    def cap(self, most: float) -> None:
        """Never more than this from now on; a limit that an earlier cap hid is used at once."""
        if most > self.most and self.limit is not None and self._is_back:
            self.now = max(self.now, PLATEAU * self.limit)
        self.most = most
        self._set(self.now)

    def sent(self, at: float, *, waited: bool) -> None:
        """A call goes out now; whether it had to wait for its turn."""
        if self._sent_at:
            idle = at - max(self._sent_at[-1], self._paused_until)
            if idle > IDLE_SECONDS + 2 / self.now:
                self._skip(at, idle)
        self._calls += 1
        self._sent_at.append(at)
        self._waiting += (waited - self._waiting) * NEWEST_WAIT

    def succeeded(self, at: float, latency: float) -> None:
        """A call was answered.

        Args:
            at: now, in seconds of a clock that only goes forward.
            latency: seconds that the answer took.
        """
        before = self._latency or latency
        self._latency = before + (latency - before) * NEWEST_LATENCY
        if latency > at - self._epoch.began_at:
            return  # a call that was under way before tells nothing of the present rate
        self._epoch.accepted += 1
        self._epoch.answers.append((at, self.now))
        if not self._is_back:
            self._return()
        elif self._is_rate_the_bound and not self._latencies.are_slow(self._latency):
            self._grow(at, latency)
        self._watch_latency(at, latency)

    def refused(self, at: float, pause: float = 0.0) -> None:
        """A call was answered 429.

        Args:
            at: now.
            pause: seconds for which no call may go out.
        """
        self._paused_until = max(self._paused_until, at + pause)
        if self._refused and at < self._epoch.began_at + ROUND_TRIPS * self._round_trip:
            return
        if self.limit is None and self._calls <= START_CALLS:
            return  # too many at once: that tells nothing of the rate
        limit = self._measured_limit(at)
        self.best = min(self.best, limit)
        self._fall(at, self._really_sent / 2, limit, self._bound, pause)

    def _skip(self, at: float, idle: float) -> None:
        """Learn nothing from a time in which there was nothing to send."""
        self._sent_at.clear()
        self._latencies.restart(at)
        self._epoch.began_at += idle
        self._epoch.heard_at += idle

    @property
    def _round_trip(self) -> float:
        return self._latency or LATENCY_UNKNOWN

    @property
    def _is_rate_the_bound(self) -> bool:
        """Whether most calls wait for it, so that a higher one would be made use of."""
        return 2 * self._waiting > 1

    @property
    def _really_sent(self) -> float:
        times = self._sent_at
        seconds = times[-1] - times[0] if times else 0.0
        return min(self.now, (len(times) - 1) / seconds) if seconds else self.now

    @property
    def _bound(self) -> float:
        return self.now if self._is_rate_the_bound else self._really_sent

    def _measured_limit(self, at: float) -> float:
        if self.limit is None:
            return BETWEEN * self._bound
        epoch = self._epoch
        recent = min(self._bound, epoch.accepted_rate(at, self.now, self._round_trip / 4))
        if epoch.grows:
            return recent
        # The limit's bucket was empty when the epoch began and is empty now.
        seconds = max(at - epoch.began_at - self._round_trip, self._round_trip / 4)
        overall = min(recent, (epoch.accepted + 0.5) / seconds)
        trust = TRUST_IN_RECENT if epoch.paused else 0.0
        return trust * recent + (1 - trust) * overall

    def _fall(self, at: float, rate: float, limit: float, refused: float, pause: float) -> None:
        self._falls = 0 if self.limit is None else min(self._falls + 1, HOLD_DOUBLINGS)
        self._epoch = _Epoch(
            began_at=at,
            heard_at=at + pause + self._round_trip,
            paused=pause > 0,
            hold_calls=min(HOLD_CALLS * 2**self._falls, HOLD_PER_ACCEPTED * self._epoch.accepted),
            hold_until=at + HOLD_PAUSES * pause * 2**self._falls,
        )
        self.limit, self._refused = limit, refused
        self._is_back = False
        self._waiting = 1.0
        self._latencies.restart(at)
        self._set(min(rate, limit))

    def _return(self) -> None:
        """Return to just below the limit, once some calls were accepted."""
        if self.limit is not None and self._epoch.accepted >= ROUND_CALLS:
            self._set(max(self.now, PLATEAU * self.limit))
            self._is_back = True

    def _grow(self, at: float, latency: float) -> None:
        epoch = self._epoch
        if self.limit is None:
            self._clean_calls += latency <= at - self._doubled_at
            if self._clean_calls >= ROUND_CALLS:
                self._clean_calls, self._doubled_at = 0, at
                self._set(2 * self.now)
        elif epoch.accepted >= epoch.hold_calls and at >= epoch.hold_until:
            epoch.grow()
            if self.now > BEYOND * self._refused:
                self._set(self.now * (1 + STEEP))
            else:
                regain = (self._refused - self.limit) / REGAIN_CALLS
                self._set(self.now + max(regain, GENTLE * self.limit))

    def _watch_latency(self, at: float, latency: float) -> None:
        is_slow = self._latencies.add(latency)
        if is_slow is None:
            return
        rate = min(self.now, self._latencies.calls / (at - self._latencies.began_at))
        if is_slow:
            too_high = max(LATENCY_FACTOR * rate, self.best)
            self._fall(at, rate / 2, LATENCY_SLOWDOWN * rate, too_high, 0.0)
        else:
            self.best = max(self.best, rate)
        self._latencies.began_at = at

    def _set(self, rate: float) -> None:
        self.now = min(max(rate, MIN_RATE), self.most, MAX_RATE)


@dataclass
class _Epoch:
    """The time since the rate last fell; calls sent before do not count in it.

    Attributes:
        began_at: when the rate fell.
        heard_at: from when on its own calls are answered.
        paused: whether a pause was ordered.
        hold_calls: calls to be accepted before the rate grows.
        hold_until: time before which it does not grow.
        accepted: calls accepted.
        grows: whether the rate has begun to grow.
        answers: when a call was accepted, and the rate then; since it grows, if it does.
    """

    began_at: float
    heard_at: float
    paused: bool = False
    hold_calls: int = 0
    hold_until: float = 0.0
    accepted: int = 0
    grows: bool = False
    answers: deque[tuple[float, float]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.answers = deque(self.answers, RECENT_ANSWERS)

    def grow(self) -> None:
        if not self.grows:
            self.grows = True
            self.answers.clear()

    def accepted_rate(self, at: float, rate: float, least_seconds: float) -> float:
        """Calls accepted a second while about this rate was allowed."""
        times = [then for then, allowed in self.answers if allowed >= SIMILAR * rate]
        if len(times) >= MIN_MEASURED:
            return (len(times) - 1) / (times[-1] - times[0])
        return (self.accepted + 0.5) / max(at - self.heard_at, least_seconds)
