"""Serves the simulated organization of one measurement, in a process of its own.

`python -m pipelines.simulator` does so for a plain organization. A measurement also needs members
that were deleted, failing calls, and what a complete pull must find.
"""

import json
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.plan import cheapest_calls
from pipelines.simulator import Behavior, Fault, Organization, Server, Sizes, generate
from pipelines.simulator.api.behavior import FaultKind

FAILURES: tuple[FaultKind, ...] = ("status", "reset", "truncated")
BAD_GATEWAY = 502
# Dates of records lie before it, so that two processes serve equal organizations.
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Spec:
    """What is served, and how.

    Attributes:
        deleted_systems: systems beside `systems` that were deleted: holes in the groups' pages.
        memberships: of all groups together; None for the mix of small and large groups that a
            real company has.
        latency_ms: time every answer takes.
        requests_per_second: rate above which 429 is answered; None for no limit.
        failing: share of all calls that fail: a third each 502, reset and truncated.
        comma_targets: whether `targets=a,b` is accepted.
    """

    systems: int
    users: int
    system_groups: int
    applications: int
    user_groups: int = 18
    deleted_systems: int = 0
    memberships: int | None = None
    latency_ms: float = 50.0
    requests_per_second: float | None = None
    failing: float = 0.0
    comma_targets: bool = False

    def to_json(self) -> str:
        """The text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """The specification of a command line."""
        return cls(**json.loads(text))


def build(spec: Spec) -> Organization:
    """An organization of these sizes; equal specifications give equal ones, but for the key."""
    organization = generate(
        sizes=Sizes(
            systems=spec.systems + spec.deleted_systems,
            users=spec.users,
            system_groups=spec.system_groups,
            user_groups=spec.user_groups,
            applications=spec.applications,
            memberships=spec.memberships,
        ),
        now=NOW,
    )
    for system_id in organization.random.sample(list(organization.systems), spec.deleted_systems):
        organization.remove_system(system_id)
    return organization


def behavior(spec: Spec) -> Behavior:
    """How the simulated API behaves."""
    share = spec.failing / len(FAILURES)
    return Behavior(
        latency_seconds=spec.latency_ms / 1000,
        requests_per_second=spec.requests_per_second,
        comma_targets="accepted" if spec.comma_targets else "refused",
        faults=[Fault("", kind, rate=share, status=BAD_GATEWAY) for kind in FAILURES if share],
    )


def memberships(organization: Organization) -> pa.Table:
    """Every membership that exists: those of deleted systems do not."""
    pairs = [
        (group_id, system_id)
        for group_id, members in organization.members.items()
        for system_id in members
        if system_id not in organization.deleted
    ]
    groups, systems = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table({"group_id": pa.array(groups), "system_id": pa.array(systems)})


def main() -> None:
    """Serve until SIGTERM: arguments are the specification, and where memberships are written."""
    spec, path = Spec.from_json(sys.argv[1]), Path(sys.argv[2])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    organization = build(spec)
    pq.write_table(memberships(organization), path)
    ready = {
        "api_key": organization.api_key,
        "cheapest_calls": cheapest_calls(organization, comma_targets=spec.comma_targets),
    }
    with Server(organization, behavior=behavior(spec)) as server:
        print(json.dumps(ready | {"base_url": server.base_url}), flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
