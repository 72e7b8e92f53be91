"""Runs of many organizations on workers that may be lost: a discrete-event simulation."""

import heapq
import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass

import simpy

from benchmarks.capacity import Costs

# So many calls of a run are sent before another run with the same key has its turn.
TURN_CALLS = 100
Wait = Generator[simpy.Event, "Run", None]  # what the queue gives; of other events, none


@dataclass(frozen=True)
class Run:
    """One organization's run: the key that it uses, and its calls."""

    key: int
    calls: int


@dataclass(frozen=True)
class Fleet:
    """The machines, and what happens to them; seconds.

    Attributes:
        workers: of all machines together: runs under way at once.
        workers_per_machine: of each, but for the last one.
        cores: of each machine.
        launch: from one start of a run to the next: the daemon starts one after the other.
        services_cpu: CPU of a run that others spend on the worker's machine.
        between_losses: mean time until a machine is lost with all that it runs; None for never.
        noticed: until its runs are queued again.
        back: until it works again.
    """

    workers: int
    workers_per_machine: int = 2
    cores: int = 2
    launch: float = 0.25
    services_cpu: float = 0.0
    between_losses: float | None = None
    noticed: float = 300.0
    back: float = 600.0


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        published: seconds from the tick to each publication, in their order.
        lost: runs that a lost machine took with it, and that began again.
    """

    published: tuple[float, ...]
    lost: int

    @property
    def last(self) -> float:
        """Seconds from the tick to the last publication."""
        return self.published[-1]


def simulate(runs: Sequence[Run], fleet: Fleet, costs: Costs, seed: int = 0) -> Outcome:
    """One tick of the schedule, until every run is published.

    Args:
        runs: in the order in which they are queued, one at least.
        fleet: who works them off.
        costs: of a run.
        seed: of the losses.
    """
    return _Simulation(runs, fleet, costs, random.Random(seed)).outcome()  # noqa: S311


class _Line:
    """Servers that do what is asked of them in turn; their time is booked ahead."""

    def __init__(self, environment: simpy.Environment, servers: int) -> None:
        self._environment = environment
        self._free_at = [0.0] * servers

    def book(self, seconds: float) -> float:
        """When work of so many seconds, asked for now, is done."""
        done_at = max(self._free_at[0], self._environment.now) + seconds
        heapq.heapreplace(self._free_at, done_at)
        return done_at


class _Machine:
    def __init__(self, environment: simpy.Environment, cores: int) -> None:
        self.cores = _Line(environment, cores)
        self.workers: list[simpy.Process] = []


class _Simulation:
    def __init__(
        self, runs: Sequence[Run], fleet: Fleet, costs: Costs, chance: random.Random
    ) -> None:
        self._runs, self._fleet, self._costs, self._chance = runs, fleet, costs, chance
        self._environment = simpy.Environment()
        self._queue = simpy.Store(self._environment)
        self._keys = {key: _Line(self._environment, 1) for key in {each.key for each in runs}}
        self._all_published = self._environment.event()
        self._published: list[float] = []
        self._lost = 0

    def outcome(self) -> Outcome:
        self._environment.process(self._launch())
        for first in range(0, self._fleet.workers, self._fleet.workers_per_machine):
            self._add_machine(min(self._fleet.workers_per_machine, self._fleet.workers - first))
        self._environment.run(self._all_published)
        return Outcome(tuple(self._published), self._lost)

    def _add_machine(self, workers: int) -> None:
        machine = _Machine(self._environment, self._fleet.cores)
        machine.workers = [
            self._environment.process(self._work(machine.cores)) for _ in range(workers)
        ]
        if self._fleet.between_losses:
            self._environment.process(self._lose(machine, self._fleet.between_losses))

    def _launch(self) -> Wait:
        for run in self._runs:
            yield self._environment.timeout(self._fleet.launch)
            self._queue.put(run)

    def _lose(self, machine: _Machine, mean: float) -> Wait:
        while True:
            yield self._environment.timeout(self._chance.expovariate(1 / mean))
            for worker in machine.workers:
                worker.interrupt()
            yield self._environment.timeout(self._fleet.back)

    def _work(self, cores: _Line) -> Wait:
        while True:
            asked = self._queue.get()
            try:
                run = yield asked
                yield from self._do(run, cores)
            except simpy.Interrupt:
                asked.cancel()
                if asked.triggered and asked.value is not None:
                    self._environment.process(self._queue_again(asked.value))
                yield self._environment.timeout(self._fleet.back)
            else:
                self._publish()

    def _do(self, run: Run, cores: _Line) -> Wait:
        costs = self._costs
        cores.book(self._fleet.services_cpu)
        yield self._until(cores.book(costs.start_cpu))
        for sent in range(0, run.calls, TURN_CALLS):
            calls = min(TURN_CALLS, run.calls - sent)
            yield self._until(
                self._keys[run.key].book(calls / costs.rate),
                cores.book(calls * costs.call_cpu),
                self._environment.now + calls * costs.latency / costs.in_flight,
            )
        yield self._until(cores.book(costs.publish_cpu))
        yield self._environment.timeout(costs.storage)

    def _until(self, *times: float) -> simpy.Event:
        return self._environment.timeout(max(times) - self._environment.now)

    def _queue_again(self, run: Run) -> Wait:
        self._lost += 1
        yield self._environment.timeout(self._fleet.noticed)
        self._queue.put(run)

    def _publish(self) -> None:
        self._published.append(self._environment.now)
        if len(self._published) == len(self._runs):
            self._all_published.succeed()
