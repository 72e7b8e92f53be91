"""Compare with other tools that read a REST API into DuckDB: same server, organization and scope.

The scope is what all of them can do: the four endpoints of system groups with one target, and the
lists of systems, users and applications. Each peer is configured as its documentation recommends,
and again to read as completely as it can (see `benchmarks/peers`).
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.organization import Spec
from benchmarks.runner import HERE, Goal, Report, Usage, environment_python, mib, run
from benchmarks.served import (
    IN_FLIGHT,
    KEY_VARIABLE,
    Calls,
    MembershipCounts,
    Served,
    published_memberships,
    run_ours,
    serve,
)
from pipelines.config.integration import ALL_TARGETS
from pipelines.jumpcloud.endpoints import ENDPOINTS

SPEC = Spec(systems=5_000, users=3_000, system_groups=200, applications=80)
# Deleted members shorten the pages of groups.
WITH_DELETED = replace(SPEC, deleted_systems=250)
TIMEOUT_SECONDS = 600
ENVIRONMENT = {
    # Telemetry must not leave this machine.
    "AIRBYTE_OFFLINE_MODE": "1",
    "DO_NOT_TRACK": "1",
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    # Concurrent calls of dlt; PyAirbyte reads its own from its manifest.
    "EXTRACT__WORKERS": str(IN_FLIGHT),
}
MODULES = {"pyairbyte": "airbyte.caches", "dlt": "dlt.sources.rest_api"}
COLUMNS = ("reader", "seconds", "CPU seconds", "peak memory", "calls", "memberships")


@dataclass(frozen=True)
class Peer:
    """One way to read the organization with another tool.

    Attributes:
        name: Row of the table.
        tool: Environment, and script `pull_with_<tool>.py`.
        paging: Paging mode of its script.
        memberships: Query of its database for `group_id` and `system_id`.
    """

    name: str
    tool: str
    paging: str
    memberships: str


# The peers read neither users of applications, nor names and direct bindings.
PEERS_SKIP = (
    "applications_users",
    *(endpoint.name for endpoint in ENDPOINTS.values() if endpoint.is_optional),
)


@dataclass(frozen=True)
class Ours:
    """One way to read the organization with our own code.

    Attributes:
        name: Row of the table.
        targets: Target types of associations.
        skipped: Endpoints left out.
        by_dagster: Use a run of Dagster; the peers have no orchestrator.
    """

    name: str
    targets: Sequence[str] = ("user",)
    skipped: Sequence[str] = PEERS_SKIP
    by_dagster: bool = True


OURS = (
    Ours("ours, the same scope, without Dagster", by_dagster=False),
    Ours("ours, the same scope, a run of Dagster"),
    Ours("ours, the whole scope, a run of Dagster", ALL_TARGETS, skipped=()),
)

_PYAIRBYTE = """SELECT group_id, json_extract_string("to", '$.id') AS system_id FROM main.members"""
_DLT = """
SELECT _systemgroups_id AS group_id, json_extract_string("to", '$.id') AS system_id
FROM jumpcloud.members"""
PEERS = (
    Peer("PyAirbyte, pages as documented", "pyairbyte", "short page", _PYAIRBYTE),
    Peer("PyAirbyte, members until an empty page", "pyairbyte", "empty page", _PYAIRBYTE),
    Peer("dlt, until an empty page", "dlt", "empty page", _DLT),
    Peer("dlt, a paginator of our own reads the total", "dlt", "total", _DLT),
)


@dataclass(frozen=True)
class Result:
    """One row: the reader, its cost, and the memberships found."""

    name: str
    usage: Usage
    calls: Calls
    memberships: MembershipCounts

    def row(self) -> list[str]:
        """Return the cells of the table."""
        return [
            self.name,
            f"{self.usage.seconds:.1f}",
            f"{self.usage.cpu_seconds:.1f}",
            mib(self.usage.peak_bytes),
            f"{self.calls.total:,}",
            str(self.memberships),
        ]


FIGURES: dict[str, Callable[[Result], float]] = {
    "seconds": lambda result: result.usage.seconds,
    "CPU seconds": lambda result: result.usage.cpu_seconds,
    "peak memory": lambda result: result.usage.peak_bytes,
    "calls": lambda result: result.calls.total,
}


def measure(scratch: Path) -> Report:
    """Read the same organization with every tool, one after the other."""
    # Warm the disk cache, so that no measurement includes reading the program.
    for tool, module in MODULES.items():
        run(
            [str(environment_python(tool)), "-c", f"import {module}"],
            ENVIRONMENT,
            scratch / "log",
            TIMEOUT_SECONDS,
        )
    same, with_dagster, whole, *peers = _results(SPEC, OURS, PEERS, scratch / "plain")
    deleted = _results(WITH_DELETED, OURS[:1], PEERS, scratch / "deleted")
    goals = [
        Goal("ours: memberships lost or invented", result.memberships.wrong, 0)
        for result in (same, deleted[0])
    ]
    complete = [peer for peer in peers if not peer.memberships.wrong]
    for name, figure in FIGURES.items():
        ratio = figure(same) / min(map(figure, complete))
        goals.append(Goal(f"ours: {name}, of the best complete peer's", ratio, 1, " x"))
    rows = [result.row() for result in (same, with_dagster, whole, *peers)]
    rows += [["250 devices deleted: " + name, *cells] for name, *cells in map(Result.row, deleted)]
    return Report("Peers: 200 groups, 5,000 systems, 50 ms a call", COLUMNS, rows, goals)


def _results(
    spec: Spec, ours: Sequence[Ours], peers: Sequence[Peer], scratch: Path
) -> list[Result]:
    scratch.mkdir()
    with serve(spec, scratch) as served:
        return [_ours(how, served, scratch) for how in ours] + [
            _peer(peer, served, scratch / f"peer-{n}") for n, peer in enumerate(peers)
        ]


def _ours(how: Ours, served: Served, scratch: Path) -> Result:
    data_dir = scratch / how.name.replace(" ", "-")
    ours = run_ours(
        served, data_dir, targets=how.targets, skipped=how.skipped, by_dagster=how.by_dagster
    )
    found = published_memberships(ours.published, data_dir / "found.parquet")
    return Result(how.name, ours.usage, ours.calls, served.membership_counts(found))


def _peer(peer: Peer, served: Served, folder: Path) -> Result:
    python = environment_python(peer.tool)
    folder.mkdir()
    database = folder / "peer.duckdb"
    job = {
        "base_url": served.base_url,
        "key_variable": KEY_VARIABLE,
        "database": str(database),
        "folder": str(folder),
        "in_flight": IN_FLIGHT,
        "paging": peer.paging,
        "fields": {
            name: ENDPOINTS[name].parameters["fields"]
            for name in ("systemgroups", "systems", "systemusers", "applications")
        },
    }
    environment = ENVIRONMENT | {KEY_VARIABLE: served.api_key}
    script = HERE / "peers" / f"pull_with_{peer.tool}.py"
    command = [str(python), str(script), json.dumps(job)]
    before = served.calls()
    usage = run(command, environment, folder / "pull.log", TIMEOUT_SECONDS)
    calls = served.calls() - before
    # Read with the peer's own DuckDB, because ours may have another version.
    found = folder / "found.parquet"
    copy = f"COPY ({peer.memberships}) TO '{found}' (FORMAT parquet)"
    code = "import duckdb, sys; duckdb.connect(sys.argv[1], read_only=True).execute(sys.argv[2])"
    export = [str(python), "-c", code, str(database), copy]
    run(export, {}, folder / "export.log", TIMEOUT_SECONDS)
    return Result(peer.name, usage, calls, served.membership_counts(found))
