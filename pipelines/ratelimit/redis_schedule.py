"""When calls go out that several processes send with one key. Pure: it is told the time."""

from dataclasses import dataclass, field
from typing import Literal

from pipelines.ratelimit.adaptive import MAX_RATE, Rate

# The cap of a run that ended, or was killed, counts no longer than this; a run that is under way
# tells its cap again with each call, and waits less than this for one.
CAP_SECONDS = 300.0
MAX_STEP_BACK = 1.0  # seconds, of a clock
# The longest pause is two minutes; hundreds of processes may wait in line.
MAX_AHEAD = 900.0
CLOCK_TICK = 1e-6
# A rate that changes by more than this makes the times void that were given by the old one.
MUCH = 1.25


@dataclass
class RedisSchedule:
    """The rate of a key, and when its next call may go out; times are those of one clock.

    Attributes:
        version: of the meaning of all this.
        rate: calls a second, and what was learnt.
        at: time of the last change.
        heard_at: time of the last answer.
        last: when the last call goes out that has its time.
        given: times still to come that calls wait for.
        round: of giving times; those of an earlier one that are still to come are void.
        paused_until: no call goes out before.
        caps: of each process that has one: calls a second, and until when it counts.
    """

    version: Literal[1]
    rate: Rate
    at: float
    heard_at: float = 0.0
    last: float = 0.0
    given: list[float] = field(default_factory=list)
    round: int = 0
    paused_until: float = 0.0
    caps: dict[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def begun(cls, at: float, start_rate: float) -> "RedisSchedule":
        """The state before the first call."""
        pace = cls(version=1, rate=Rate(now=start_rate), at=at)
        pace.rate.begin(at)
        return pace

    def is_of_another_time(self, now: float) -> bool:
        """Whether the clock was set back since, so that nobody may wait for what is told here."""
        times = (self.at - MAX_STEP_BACK, self.last - MAX_AHEAD, self.paused_until - MAX_AHEAD)
        return max(times) > now

    def advance(self, to: float) -> float:
        """It is now this time, or that of the last change: calls whose time came have gone out."""
        self.at = max(to, self.at)
        while self.given and self.given[0] <= self.at:
            self.rate.sent(self.given.pop(0), waited=True)
        return self.at

    def cap(self, owner: str, most: float | None) -> None:
        """What this process may send at most counts for all while it is under way."""
        self.caps = {name: cap for name, cap in self.caps.items() if cap[1] > self.at}
        if most:
            self.caps[owner] = (most, self.at + CAP_SECONDS)
        lowest = min((each for each, _ in self.caps.values()), default=MAX_RATE)
        if lowest != self.rate.most:
            self.rate.cap(lowest)

    def reserve(self) -> float:
        """When the next call goes out; nobody else gets this time."""
        self.last = max(self.at, self.last + self.rate.interval, self.paused_until)
        if self.last > self.at:
            self.given.append(self.last)
        else:
            self.rate.sent(self.at, waited=False)
        return self.last

    def succeeded(self, at: float, latency: float) -> None:
        """A call was answered, then or a moment before this time, in so many seconds."""
        before = self.rate.now
        self.rate.succeeded(self._heard(at), latency)
        if not before / MUCH <= self.rate.now <= before * MUCH:
            self._give_anew()

    def refused(self, at: float, pause: float) -> None:
        """A call was answered 429, then or a moment before this time."""
        self._give_anew()
        self.paused_until = max(self.paused_until, at + pause)
        self.rate.refused(self._heard(at), pause)

    def _heard(self, at: float) -> float:
        # Processes tell of answers a moment after they came, so not quite in the order of time.
        self.heard_at = max(at, self.heard_at + CLOCK_TICK)
        return self.heard_at

    def _give_anew(self) -> None:
        self.round += 1
        self.given.clear()
        self.last = min(self.last, self.at)
