"""Reads a whole organisation: all lists at the same time, groups fanned out as they arrive."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from pipelines.extract.client import CallCounts, JumpCloudClient
from pipelines.extract.completeness import completeness_table
from pipelines.extract.coordinator import Coordinator, Progress, Scope
from pipelines.extract.endpoints import ENDPOINTS, ORGANIZATIONS, Endpoint
from pipelines.extract.errors import NotFoundError
from pipelines.extract.plan import Plan
from pipelines.extract.remembered_rates import RememberedRates, hash_of
from pipelines.extract.spool import FinishedList, Spool
from pipelines.extract.throttle import ThrottleStats, throttle_for
from pipelines.extract.transport import read_only_session
from pipelines.settings import Integration

# Beside those with a call under way: they wait for a place, or parse what came.
PARSING_THREADS = 2
PULL_SCHEMA = pa.schema(
    {
        "started_at": pa.timestamp("us", tz="UTC"),
        "finished_at": pa.timestamp("us", tz="UTC"),
        "api_calls": pa.int64(),
        "api_retries": pa.int64(),
        "throttled": pa.int64(),
    }
)


@dataclass(frozen=True)
class Pull:
    """What one pull brought.

    Attributes:
        tables: one raw table per endpoint; an endpoint that was not asked for has no row.
        completeness: one row per list that was read: how it was proven complete.
        started_at: before the first call.
        finished_at: after the last answer.
        counts: calls sent, those of an attempt that was cut off not counted.
        plan: calls planned after the first pages.
        throttle: how fast the calls went out.
    """

    tables: dict[str, pa.Table]
    completeness: pa.Table
    started_at: datetime
    finished_at: datetime
    counts: CallCounts
    plan: Plan | None
    throttle: ThrottleStats

    def facts(self) -> pa.Table:
        """One row: when it was, and what it sent."""
        counts = self.counts
        row = (self.started_at, self.finished_at, counts.calls, counts.retries, counts.throttled)
        return pa.Table.from_pylist([dict(zip(PULL_SCHEMA.names, row, strict=True))], PULL_SCHEMA)


def spool_of(integration: Integration, state: Path) -> Spool:
    """The finished lists of an integration's pull, below the folder for what outlives a run."""
    asked = integration.model_dump_json(include={"org_id", "association_targets", "details"})
    fingerprint = f"{integration.url} {hash_of(integration.api_key())} {asked}"
    return Spool(spool_folder(state, integration.name), fingerprint)


def spool_folder(state: Path, integration: str) -> Path:
    """Where an integration's finished lists are."""
    return state / "spool" / integration


def pull_organization(
    integration: Integration,
    state: Path,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_retry: Callable[[str], None] = lambda _: None,
) -> Pull:
    """Read every list of an integration's organisation and prove each complete.

    Lists that an attempt within the last hour finished are not read again; they stay on disk
    until the caller removes the spool.

    Args:
        integration: whose key is read from the environment now.
        state: folder for what outlives a run: finished lists, and the rate that was good.
        on_progress: told after each list.
        on_retry: told why a call is sent again, from any thread.

    Raises:
        SettingsError: there is no usable key.
        ExtractError: a list could not be read to its end, or it is not the organisation set.
    """
    key = integration.api_key()
    rates = RememberedRates(state / "rates.json")
    throttle = throttle_for(key, rates.get(key), integration.max_requests_per_second)
    session = read_only_session(
        integration.url, key, connections=integration.max_in_flight, proxy=integration.proxy
    )
    with session:
        client = JumpCloudClient(
            session,
            integration.url,
            throttle,
            org_id=integration.org_id,
            max_in_flight=integration.max_in_flight,
            on_retry=on_retry,
        )
        result = _pull(client, integration, spool_of(integration, state), on_progress)
    _check_organization(integration, result.tables[ORGANIZATIONS.name])
    rates.put(key, throttle.stats.good_rate)
    return result


def _pull(
    client: JumpCloudClient,
    integration: Integration,
    spool: Spool,
    on_progress: Callable[[Progress], None],
) -> Pull:
    endpoints = [e for e in ENDPOINTS.values() if integration.details or not e.is_detail]
    scope = Scope(endpoints, integration.association_targets)
    started_at = spool.open()
    threads = integration.max_in_flight + PARSING_THREADS
    pool = ThreadPoolExecutor(threads, thread_name_prefix="jumpcloud")
    try:
        coordinator = Coordinator(client, pool, scope, spool, on_progress)
        lists = coordinator.run()
    finally:
        # After a failure nothing that still waits may go out, and nobody waits for an answer.
        client.abort()
        pool.shutdown(wait=False, cancel_futures=True)
    return Pull(
        tables={endpoint.name: _table(endpoint, lists) for endpoint in ENDPOINTS.values()},
        completeness=completeness_table([each.completeness for each in lists]),
        started_at=started_at,
        finished_at=datetime.now(UTC),
        counts=client.counts,
        plan=coordinator.plan,
        throttle=client.throttle.stats,
    )


def _table(endpoint: Endpoint, lists: Sequence[FinishedList]) -> pa.Table:
    batches = [
        batch
        for each in lists
        if each.completeness.list_id.endpoint == endpoint.name
        for batch in each.rows
    ]
    return pa.Table.from_batches(batches, endpoint.table_schema).combine_chunks()


def _check_organization(integration: Integration, organizations: pa.Table) -> None:
    """A key of several organisations may be answered for another one than meant."""
    ids = organizations.column("_id").to_pylist()
    if not integration.details:
        return
    if integration.org_id and integration.org_id not in ids:
        raise NotFoundError(
            f"integration {integration.name!r}: the key cannot see the organisation of org_id "
            f"{integration.org_id}; it sees: {', '.join(map(str, ids)) or 'none'}"
        )
    if not integration.org_id and len(ids) > 1:
        raise NotFoundError(
            f"integration {integration.name!r}: the key sees {len(ids)} organisations; "
            f"set org_id to one of: {', '.join(map(str, ids))}"
        )
