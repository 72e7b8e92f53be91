"""Serve the simulated organization of one measurement, in a process of its own.

Unlike `python -m pipelines.simulator`, it has deleted members and failing calls, and writes the
expected memberships.
"""

import json
import signal
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sized
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.config.integration import ALL_TARGETS
from pipelines.simulator import Behavior, Fault, Organization, Server, Sizes, generate
from pipelines.simulator.api.behavior import FaultKind
from tests.oracle.reach import Reach

FAILURES: tuple[FaultKind, ...] = ("status", "reset", "truncated")
BAD_GATEWAY = 502
PAGE = 100
SEARCH_PAGE = 1000
# Dates of records lie before this moment, so that two processes serve equal organizations.
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Spec:
    """An organization and the behavior of its server.

    Attributes:
        deleted_systems: Number of deleted systems, which leave holes in the groups' pages.
        memberships: Number over all groups; None for a mix of small and large groups.
        latency_ms: Time of every answer.
        requests_per_second: Rate above which 429 is answered; None for no limit.
        failing: Share of failing calls: a third each 502, reset and truncated.
        comma_targets: Accept `targets=a,b`.
        direct_bindings: Setting of the pull; with `report`, the API has a report of an hour ago.
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
    direct_bindings: str = "read"

    def to_json(self) -> str:
        """Return the text that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """Return the specification of a command line."""
        return cls(**json.loads(text))


def build(spec: Spec) -> Organization:
    """Return an organization; equal specifications give equal ones, except for the key."""
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
    """Return the behavior of the simulated API."""
    share = spec.failing / len(FAILURES)
    return Behavior(
        latency_seconds=spec.latency_ms / 1000,
        requests_per_second=spec.requests_per_second,
        comma_targets="accepted" if spec.comma_targets else "refused",
        report_age=timedelta(hours=1) if spec.direct_bindings == "report" else None,
        faults=[Fault("", kind, rate=share, status=BAD_GATEWAY) for kind in FAILURES if share],
    )


def memberships(organization: Organization) -> pa.Table:
    """Return every membership except those of deleted systems."""
    pairs = [
        (group_id, system_id)
        for group_id, members in organization.members.items()
        for system_id in members
        if system_id not in organization.deleted
    ]
    groups, systems = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table({"group_id": pa.array(groups), "system_id": pa.array(systems)})


def cheapest_calls(
    organization: Organization, *, comma_targets: bool, direct_bindings: str = "read"
) -> int:
    """Return the calls of the cheapest complete plan (docs/reference/jumpcloud-api.md, section 13).

    Deleted members still fill pages.

    Args:
        organization: The organization as it is served.
        comma_targets: One call may request the associations of all target types.
        direct_bindings: Setting of the pull.
    """
    once = 1 + sum(
        _pages(len(records), size)
        for records, size in (
            (organization.systems, SEARCH_PAGE),
            (organization.users, SEARCH_PAGE),
            (organization.system_groups, PAGE),
            (organization.applications, PAGE),
            (organization.user_groups, PAGE),
            (organization.policies, PAGE),
            (organization.policy_groups, PAGE),
            (organization.commands, PAGE),
            (organization.radius_servers, PAGE),
        )
    )
    reach = Reach(organization)
    lists: list[Mapping[str, Sized]] = [
        organization.members,
        reach.group_users,
        reach.application_users,
        organization.user_group_members,
    ]
    if direct_bindings != "off":
        lists.append(reach.user_group_systems)
    repeated = sum(_pages(len(ids)) for grants in lists for ids in grants.values())
    for group_id in organization.system_groups:
        found = Counter(kind for kind, _ in organization.bindings[group_id])
        counts = [found.total()] if comma_targets else [found[target] for target in ALL_TARGETS]
        repeated += sum(map(_pages, counts))
    return once + repeated + _direct_calls(organization, direct_bindings)


def _direct_calls(organization: Organization, direct_bindings: str) -> int:
    """Return the calls for the bindings of users to single systems, read from the best end."""
    by_user = {
        user_id: len(organization.user_systems.get(user_id, ())) for user_id in organization.users
    }
    bound = Counter(i for systems in organization.user_systems.values() for i in systems)
    by_system = {system_id: bound[system_id] for system_id in organization.systems}
    if direct_bindings == "off":
        return 0
    if direct_bindings == "report":
        # The list of reports, and the newest one; then only systems with a binding.
        return 2 + sum(map(_pages, filter(None, by_system.values())))
    return sum(map(_pages, min(by_user, by_system, key=len).values()))


def _pages(records: int, size: int = PAGE) -> int:
    """Return the pages of a list; an empty list takes one call too."""
    return max(1, -(-records // size))


def main() -> None:
    """Serve until SIGTERM; the arguments are the specification and the file of memberships."""
    spec, path = Spec.from_json(sys.argv[1]), Path(sys.argv[2])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    organization = build(spec)
    pq.write_table(memberships(organization), path)
    ready = {
        "api_key": organization.api_key,
        "cheapest_calls": cheapest_calls(
            organization,
            comma_targets=spec.comma_targets,
            direct_bindings=spec.direct_bindings,
        ),
    }
    with Server(organization, behavior=behavior(spec)) as server:
        print(json.dumps(ready | {"base_url": server.base_url}), flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
