"""The send times of calls that several processes make with one key. Pure: takes the time."""

from dataclasses import dataclass, field
from typing import Literal

from pipelines.ratelimit.adaptive import MAX_RATE, AdaptiveRate

# The maximum rate of a run that ended, or was killed, expires after this time. A running process
# renews it with each call, and waits less than this for one.
MAX_RATE_SECONDS = 300.0
MAX_STEP_BACK = 1.0  # seconds that a clock may be set back
# The longest pause is two minutes, and hundreds of processes may wait in line.
MAX_AHEAD = 900.0
CLOCK_TICK = 1e-6
REVOKE_FACTOR = 1.25  # a rate that changes by more revokes the reservations made at the old rate


@dataclass
class RedisSchedule:
    """The rate of a key, and when its next call may be sent. All times are of one clock.

    Attributes:
        version: version of this format.
        rate: calls a second, and what was learned about the limit.
        at: time of the last change.
        heard_at: time of the last response.
        last: send time of the last reserved call.
        reservations: future send times that calls wait for.
        epoch: incremented when reservations are revoked. Those of earlier epochs are ignored.
        paused_until: time before which no call is sent.
        max_rates: for each process with a maximum: calls a second, and when it expires.
    """

    version: Literal[2]
    rate: AdaptiveRate
    at: float
    heard_at: float = 0.0
    last: float = 0.0
    reservations: list[float] = field(default_factory=list)
    epoch: int = 0
    paused_until: float = 0.0
    max_rates: dict[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def begin(cls, at: float, start_rate: float) -> "RedisSchedule":
        """Return the schedule before the first call."""
        schedule = cls(version=2, rate=AdaptiveRate(current=start_rate), at=at)
        schedule.rate.begin(at)
        return schedule

    def is_from_future(self, now: float) -> bool:
        """Return True if the clock was set back, so that no call may wait for these times."""
        times = (self.at - MAX_STEP_BACK, self.last - MAX_AHEAD, self.paused_until - MAX_AHEAD)
        return max(times) > now

    def advance(self, to: float) -> float:
        """Advance to a time, never back, and count the calls that are due as sent."""
        self.at = max(to, self.at)
        while self.reservations and self.reservations[0] <= self.at:
            self.rate.record_sent(self.reservations.pop(0), waited=True)
        return self.at

    def set_max_rate(self, owner: str, max_rate: float | None) -> None:
        """Renew the maximum of a process. The lowest one applies to all processes."""
        self.max_rates = {name: item for name, item in self.max_rates.items() if item[1] > self.at}
        if max_rate:
            self.max_rates[owner] = (max_rate, self.at + MAX_RATE_SECONDS)
        lowest = min((rate for rate, _ in self.max_rates.values()), default=MAX_RATE)
        if lowest != self.rate.max:
            self.rate.set_max(lowest)

    def reserve(self) -> float:
        """Return the send time of the next call, and reserve it."""
        self.last = max(self.at, self.last + self.rate.interval, self.paused_until)
        if self.last > self.at:
            self.reservations.append(self.last)
        else:
            self.rate.record_sent(self.at, waited=False)
        return self.last

    def record_success(self, at: float, latency: float) -> None:
        """Record a call that was accepted at or just before this time, and its latency."""
        before = self.rate.current
        self.rate.record_success(self._heard(at), latency)
        if not before / REVOKE_FACTOR <= self.rate.current <= before * REVOKE_FACTOR:
            self._revoke()

    def record_throttled(self, at: float, pause: float) -> None:
        """Record a 429 that came at or just before this time, and the pause that it asks for."""
        self._revoke()
        self.paused_until = max(self.paused_until, at + pause)
        self.rate.record_throttled(self._heard(at), pause)

    def _heard(self, at: float) -> float:
        # Processes report responses a moment late, so not quite in the order of time.
        self.heard_at = max(at, self.heard_at + CLOCK_TICK)
        return self.heard_at

    def _revoke(self) -> None:
        self.epoch += 1
        self.reservations.clear()
        self.last = min(self.last, self.at)
