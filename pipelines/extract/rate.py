"""How many calls a second to send, learnt from the answers alone. Pure: it is told the time.

It doubles while windows of calls are clean, as TCP's slow start does. At an answer 429 it halves.
Between two 429s the limit's bucket is emptied twice, so the calls accepted in between, by the time
between, are the limit itself: the rate then returns to just below it, and only now and then tries
a little more. Where latency doubles against its own minimum, it slows down before it is told to.
"""

from dataclasses import dataclass, field
from statistics import median

START_RATE = 4.0
LOWEST_RATE = 0.5
# A window ends after this many answers and seconds: long enough to see what a rate does, short
# enough that the way from 4 to 200 calls a second takes little more than a second.
WINDOW_CALLS = 2
WINDOW_SECONDS = 0.1
LONG_WINDOW_CALLS = 32  # enough that their median is no noise
# Answers of calls that were under way at a 429 are of the same congestion.
ROUND_TRIPS = 1.5
# A limit measured over less says little; the rate just before is then the better guess.
LEAST_ACCEPTED = 8
LEAST_SECONDS = 1.0
GUESS = 0.9
# What was accepted since the last 429 is too low where the bucket is small and overflowed.
LAST_RATE_SHARE = 0.25
HIGHER = 1.1  # a limit this much above the last one is news
SIMILAR = 1.25  # rates that differ by less say the same of the limit
PLATEAU = 0.98  # of the measured limit
UNKNOWN_GROWTH = 0.5  # a second, of the rate, while no limit was measured
GROWTH = 0.01  # a second, of the rate, above the plateau
HOLD_SECONDS = 4.0  # at the plateau before the next try; doubled each time that the try fails
LONGEST_HOLD_SECONDS = 120.0
IDLE_SECONDS = 1.0
LATENCY_FACTOR = 2.0
LATENCY_SLOWDOWN = 0.75
HELPED = 0.9  # slowing down that leaves more than this of the latency did not help


@dataclass
class Rate:
    """The rate, in calls a second, and what was learnt.

    Attributes:
        now: calls a second at present.
        most: never more than this.
        limit: calls a second that the API was measured to accept; None while it was not.
        best: most calls a second that were answered without a refusal.
    """

    now: float = START_RATE
    most: float = float("inf")
    limit: float | None = None
    best: float = 0.0
    _is_starting: bool = True
    _window: "_Window" = field(default_factory=lambda: _Window(0.0))
    _long_window: "_Window" = field(default_factory=lambda: _Window(0.0))
    _event_at: float | None = None
    _count: "_Count" = field(default_factory=lambda: _Count(0.0, 0.0))
    _recovers_at: float | None = None
    _grows_at: float = 0.0
    _hold: float = HOLD_SECONDS
    _sent_at: float = 0.0
    _latency: float = 0.0
    _lowest_median: float | None = None
    _slowed_at_median: float | None = None

    @property
    def good(self) -> float:
        """The rate that the next run may start with."""
        return PLATEAU * self.limit if self.limit else self.best or self.now

    def begin(self, at: float) -> None:
        """The first call goes out now."""
        self._set(self.now)
        self._sent_at = at
        self._window, self._long_window = _Window(at), _Window(at)
        self._count = _Count(at, self.now)

    def cap(self, most: float) -> None:
        """Never more than this, nor than an earlier cap."""
        self.most = min(self.most, most)
        self._set(self.now)

    def sent(self, at: float, *, waited: bool) -> None:
        """A call goes out; whether it had to wait for its turn."""
        # Nothing is learnt from a time in which there was nothing to send.
        if at - self._sent_at > IDLE_SECONDS + 2 / self.now:
            self._window, self._long_window = _Window(at), _Window(at)
            self._count = _Count(at, self.now)
        self._sent_at = at
        self._window.sent += 1
        self._window.waited += waited

    def succeeded(self, at: float, latency: float) -> None:
        """A call was answered.

        Args:
            at: now, in seconds of a clock that only goes forward.
            latency: seconds that the answer took.
        """
        self._latency = 0.9 * self._latency + 0.1 * latency if self._latency else latency
        self._count.accepted += 1
        for window in (self._window, self._long_window):
            # A call that was under way before tells nothing of the window's rate.
            if at - latency >= window.began_at:
                window.latencies.append(latency)
        self._recover(at)
        if len(self._long_window.latencies) >= LONG_WINDOW_CALLS:
            self._end_long_window(at)
        elapsed = at - self._window.began_at
        if len(self._window.latencies) >= WINDOW_CALLS and elapsed >= WINDOW_SECONDS:
            self._end_window(at, elapsed)

    def refused(self, at: float, pause: float = 0.0) -> None:
        """A call was answered 429.

        Args:
            at: now.
            pause: seconds for which no call may go out.
        """
        if self._event_at is not None and at - self._event_at < ROUND_TRIPS * self._latency:
            return
        if self._event_at is None:
            # The burst that is allowed at first makes this too high, but not by an order.
            self._slow(at + pause, min(self.now / 2, max(self._count.rate(at), self.now / 8)))
        else:
            self._measure(at)
            self._slow(at + pause, self.now / 2)
            self._recovers_at = at + pause + max(2 * self._latency, 1 / self.now)
        self._event_at = at
        self._count = _Count(at, self.now)

    def _measure(self, at: float) -> None:
        """The limit lies between what was accepted since its bucket was empty and the last rate."""
        if self._count.accepted < LEAST_ACCEPTED or at - self._count.began_at < LEAST_SECONDS:
            limit = GUESS * self.now
        else:
            accepted = min(self._count.rate(at), self.now)
            limit = accepted + LAST_RATE_SHARE * (self.now - accepted)
        is_higher = self.limit is None or limit > HIGHER * self.limit
        self._hold = HOLD_SECONDS if is_higher else min(LONGEST_HOLD_SECONDS, 2 * self._hold)
        self.limit = limit

    def _slow(self, at: float, rate: float) -> None:
        self._set(rate)
        self._is_starting = False
        self.best = min(self.best, self.limit or rate)
        self._grows_at = at + (self._hold if self.limit else 0.0)
        self._window, self._long_window = _Window(at), _Window(at)

    def _recover(self, at: float) -> None:
        """Return to just below the limit, once its bucket had a moment to fill."""
        if self._recovers_at is not None and at >= self._recovers_at:
            self._recovers_at = None
            if self.limit:
                self._set(max(self.now, PLATEAU * self.limit))
                self._count.rate_at_start = self.now

    def _end_window(self, at: float, elapsed: float) -> None:
        is_rate_the_bound = 2 * self._window.waited >= max(1, self._window.sent)
        if self._is_starting:
            really_sent = self._window.sent / elapsed
            self._set(2 * self.now if is_rate_the_bound else min(self.now, 1.5 * really_sent))
        elif is_rate_the_bound and at >= self._grows_at:
            growth = GROWTH if self.limit else UNKNOWN_GROWTH
            self._set(self.now * (1 + growth * min(elapsed, 1 / growth)))
            # What was accepted at a much lower rate says nothing of the limit.
            if self.now > SIMILAR * self._count.rate_at_start:
                self._count = _Count(at, self.now)
        self._window = _Window(at)

    def _end_long_window(self, at: float) -> None:
        window, self._long_window = self._long_window, _Window(at)
        self.best = max(self.best, len(window.latencies) / (at - window.began_at))
        now = median(window.latencies)
        if self._slowed_at_median and now > HELPED * self._slowed_at_median:
            self._lowest_median = now  # it is not our calls that make the answers slow
        self._slowed_at_median = None
        self._lowest_median = min(now, self._lowest_median or now)
        if now >= LATENCY_FACTOR * self._lowest_median:
            self._slowed_at_median = now
            self._slow(at, LATENCY_SLOWDOWN * min(self.now, self.best))

    def _set(self, rate: float) -> None:
        self.now = min(max(rate, LOWEST_RATE), self.most)


@dataclass
class _Window:
    began_at: float
    sent: int = 0
    waited: int = 0
    latencies: list[float] = field(default_factory=list)


@dataclass
class _Count:
    """Calls accepted since a moment at which the limit's bucket was empty."""

    began_at: float
    rate_at_start: float
    accepted: int = 0

    def rate(self, at: float) -> float:
        return self.accepted / max(at - self.began_at, WINDOW_SECONDS)
