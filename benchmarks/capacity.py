"""What a run costs, and what a year of runs takes: closed forms over measured figures.

`docs/explanation/scaling.md` says where each figure comes from.
"""

from dataclasses import dataclass

from pipelines.extract.estimate import estimate_calls
from pipelines.jumpcloud.endpoints import (
    APPLICATIONS,
    ENDPOINTS,
    ORGANIZATIONS,
    SYSTEMGROUPS,
    SYSTEMS,
    SYSTEMUSERS,
)

PAGE = 100
SEARCH_PAGE = 1_000
ASSOCIATION_TARGETS = 5
# A list that fills its last page takes a hundredth of a call for a row, a short one a whole call.
CALLS_PER_ROW = 0.7 / PAGE
RUNS_A_YEAR = 730
RUNS_KEPT_BY_DAGSTER = 180  # of 90 days

SNAPSHOT_BYTES = 60_000
SNAPSHOT_BYTES_PER_MEMBERSHIP = 40
# Of one run in PostgreSQL; SQLite keeps them twice, in 1.3 MB.
EVENT_BYTES = 600_000
MEMORY_BYTES = 280 * 1024**2
MEMORY_BYTES_PER_SYSTEM = 20 * 1024


@dataclass(frozen=True)
class Size:
    """How large an organization is.

    Attributes:
        systems: its devices.
        users: its people.
        groups: its system groups.
        applications: its SSO applications.
        memberships: of systems in system groups.
        bindings: of users to system groups and applications.
    """

    systems: int
    users: int
    groups: int
    applications: int
    memberships: int
    bindings: int

    @classmethod
    def of(cls, systems: int) -> "Size":
        """An organization of so many systems, in the proportions of the simulator's."""
        return cls(
            systems=systems,
            users=6 * systems // 10,
            groups=4 + systems // 25,
            applications=3 + systems // 50,
            memberships=4 * systems,
            bindings=5 * systems,
        )

    @property
    def calls(self) -> int:
        """Calls of a run whose API joins no targets: the plan, and further pages of long lists."""
        totals = {
            ORGANIZATIONS.name: 1,
            SYSTEMGROUPS.name: self.groups,
            SYSTEMS.name: self.systems,
            SYSTEMUSERS.name: self.users,
            APPLICATIONS.name: self.applications,
        }
        limits = {name: SEARCH_PAGE if ENDPOINTS[name].search_path else PAGE for name in totals}
        plan = estimate_calls(totals, limits, tuple(ENDPOINTS.values()), ASSOCIATION_TARGETS)
        return plan.calls + round(CALLS_PER_ROW * (self.memberships + self.bindings))

    @property
    def snapshot_bytes(self) -> int:
        """History that a published run adds."""
        return SNAPSHOT_BYTES + SNAPSHOT_BYTES_PER_MEMBERSHIP * self.memberships

    @property
    def history_bytes(self) -> int:
        """History that a year adds."""
        return RUNS_A_YEAR * self.snapshot_bytes

    @property
    def memory_bytes(self) -> int:
        """Most resident memory of a run."""
        return MEMORY_BYTES + MEMORY_BYTES_PER_SYSTEM * self.systems


@dataclass(frozen=True)
class Costs:
    """What a run costs, and what bounds it; seconds.

    Attributes:
        start_cpu: CPU from the start of its process to the first call.
        call_cpu: CPU of a call, and of the rows that it brings, up to their publication.
        publish_cpu: CPU after the last call, whatever the size.
        storage: waits for storage and databases on other machines.
        latency: of a call.
        in_flight: calls under way at once, at most.
        rate: calls a second that the API takes from one key.
    """

    start_cpu: float = 1.9
    call_cpu: float = 0.0028
    publish_cpu: float = 3.3
    storage: float = 2.0
    latency: float = 0.15
    in_flight: int = 8
    rate: float = 8.0

    def cpu_seconds(self, calls: int) -> float:
        """CPU of a run."""
        return self.start_cpu + calls * self.call_cpu + self.publish_cpu

    def pull_seconds(self, calls: int) -> float:
        """Seconds of a pull that shares neither its key nor its core."""
        return calls * max(1 / self.rate, self.latency / self.in_flight, self.call_cpu)

    def run_seconds(self, calls: int) -> float:
        """Seconds of a run that shares neither its key nor its core."""
        return self.start_cpu + self.pull_seconds(calls) + self.publish_cpu + self.storage
