"""Estimate the cost of a run: `python -m benchmarks.capacity [SYSTEMS ...]`.

Closed forms over measured figures; `docs/explanation/scaling.md` lists the source of each figure.
"""

import sys
from dataclasses import dataclass

from benchmarks.runner import GIB, Report, mib
from pipelines.config.integration import ALL_TARGETS
from pipelines.extract.estimate import choose_binding_list, estimate_calls
from pipelines.jumpcloud.endpoints import (
    APPLICATIONS,
    ENDPOINTS,
    SYSTEMGROUPS,
    SYSTEMS,
    SYSTEMUSERS,
    USERGROUPS,
)

PAGE = 100
SEARCH_PAGE = 1_000
# A row costs a hundredth of a call in a list that fills its last page, and a call in a short list.
CALLS_PER_ROW = 0.7 / PAGE
RUNS_A_YEAR = 730

SNAPSHOT_BYTES = 60_000
SNAPSHOT_BYTES_PER_MEMBERSHIP = 40
MEMORY_BYTES = 280 * 1024**2
MEMORY_BYTES_PER_SYSTEM = 20 * 1024

START_CPU_SECONDS = 1.9
CALL_CPU_SECONDS = 0.0028
PUBLISH_CPU_SECONDS = 3.3
STORAGE_SECONDS = 2.0
LATENCY_SECONDS = 0.15
IN_FLIGHT = 8
CALLS_A_SECOND = 8.0

COLUMNS = ("systems", "calls", "seconds", "CPU seconds", "peak memory", "history a year")


@dataclass(frozen=True)
class Size:
    """The size of an organization.

    Attributes:
        user_groups: Number of user groups, each with less than a page of members.
        memberships: Number of memberships of systems in system groups.
        bindings: Number of bindings of users to system groups and applications.
    """

    systems: int
    users: int
    groups: int
    user_groups: int
    applications: int
    memberships: int
    bindings: int

    @classmethod
    def from_systems(cls, systems: int) -> "Size":
        """Return the size of an organization in the proportions of the simulator's."""
        return cls(
            systems=systems,
            users=6 * systems // 10,
            groups=4 + systems // 25,
            user_groups=4 + systems // 25,
            applications=3 + systems // 50,
            memberships=4 * systems,
            bindings=5 * systems,
        )

    @property
    def calls(self) -> int:
        """Return the calls of a run against an API that joins no targets."""
        totals = {
            # One page each.
            **{endpoint.name: 1 for endpoint in ENDPOINTS.values() if not endpoint.parent},
            SYSTEMGROUPS.name: self.groups,
            USERGROUPS.name: self.user_groups,
            SYSTEMS.name: self.systems,
            SYSTEMUSERS.name: self.users,
            APPLICATIONS.name: self.applications,
        }
        limits = {name: SEARCH_PAGE if ENDPOINTS[name].search_path else PAGE for name in totals}
        endpoints = choose_binding_list(tuple(ENDPOINTS.values()), totals)
        plan = estimate_calls(totals, limits, endpoints, len(ALL_TARGETS))
        return plan.calls + round(CALLS_PER_ROW * (self.memberships + self.bindings))

    @property
    def cpu_seconds(self) -> float:
        """Return the CPU seconds of a run."""
        return START_CPU_SECONDS + self.calls * CALL_CPU_SECONDS + PUBLISH_CPU_SECONDS

    @property
    def seconds(self) -> float:
        """Return the seconds of a run that shares neither its key nor its core."""
        call_seconds = max(1 / CALLS_A_SECOND, LATENCY_SECONDS / IN_FLIGHT, CALL_CPU_SECONDS)
        pull_seconds = self.calls * call_seconds
        return START_CPU_SECONDS + pull_seconds + PUBLISH_CPU_SECONDS + STORAGE_SECONDS

    @property
    def memory_bytes(self) -> int:
        """Return the peak resident memory of a run."""
        return MEMORY_BYTES + MEMORY_BYTES_PER_SYSTEM * self.systems

    @property
    def history_bytes(self) -> int:
        """Return the history that a year of runs adds."""
        return RUNS_A_YEAR * (SNAPSHOT_BYTES + SNAPSHOT_BYTES_PER_MEMBERSHIP * self.memberships)

    def row(self) -> list[str]:
        """Return the cells of the table."""
        return [
            f"{self.systems:,}",
            f"{self.calls:,}",
            f"{self.seconds:,.0f}",
            f"{self.cpu_seconds:.1f}",
            mib(self.memory_bytes),
            f"{self.history_bytes / GIB:.2f} GiB",
        ]


def main() -> None:
    """Print a table with a row for each size of the command line."""
    systems = [int(argument) for argument in sys.argv[1:]] or [100, 1_000, 10_000]
    rows = [Size.from_systems(number).row() for number in systems]
    print(Report("Estimated runs: 8 calls a second, 0.15 s a call", COLUMNS, rows, goals=()))


if __name__ == "__main__":
    main()
