"""Reads a whole organization: all lists at the same time, groups fanned out as they arrive."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from pipelines.config.credentials import load_credentials
from pipelines.config.integration import Integration
from pipelines.extract.checkpoint import Checkpoint, FinishedList
from pipelines.extract.completeness import completeness_table
from pipelines.extract.estimate import Plan
from pipelines.extract.fetcher import Fetcher
from pipelines.extract.organizations import check_organization_visible, check_record_organizations
from pipelines.extract.process_tuning import loaded_spared, spare_memory
from pipelines.extract.progress import Progress, Scope
from pipelines.jumpcloud.auth import open_session
from pipelines.jumpcloud.client import CallCounts, JumpCloudClient
from pipelines.jumpcloud.endpoints import ENDPOINTS, ORGANIZATIONS, Endpoint
from pipelines.jumpcloud.errors import ForbiddenError, WrongOrganizationError
from pipelines.ratelimit.limiter import get_rate_limiter
from pipelines.ratelimit.saved_rates import SavedRates, key_fingerprint
from pipelines.ratelimit.stats import RateLimitStats

# Beside those with a call under way: they wait for a place, or parse what came.
PARSING_THREADS = 2
PULL_SCHEMA = pa.schema(
    {
        "started_at": pa.timestamp("us", tz="UTC"),
        "finished_at": pa.timestamp("us", tz="UTC"),
        "api_calls": pa.int64(),
        "api_retries": pa.int64(),
        "throttled": pa.int64(),
        "endpoints": pa.list_(pa.string()),
        "association_targets": pa.list_(pa.string()),
    }
)


@dataclass(frozen=True)
class Pull:
    """What one pull brought.

    Attributes:
        tables: one raw table per endpoint; an endpoint that was not asked for has no row.
        scope: what was asked for.
        completeness: one row per list that was read: how it was proven complete.
        started_at: before the first call.
        finished_at: after the last answer.
        counts: calls sent, those of an attempt that was cut off not counted.
        plan: calls planned after the first pages.
        throttle: how fast the calls went out.
        unknown_fields: by endpoint, names of fields in the answers that nobody knew; not those of
            lists that an attempt which was cut off had finished.
    """

    tables: dict[str, pa.Table]
    scope: Scope
    completeness: pa.Table
    started_at: datetime
    finished_at: datetime
    counts: CallCounts
    plan: Plan | None
    throttle: RateLimitStats
    unknown_fields: Mapping[str, frozenset[str]]

    def facts(self) -> pa.Table:
        """One row: when it was, what it sent, and what it asked for."""
        counts = self.counts
        row = (
            self.started_at,
            self.finished_at,
            *(counts.calls, counts.retries, counts.throttled),
            [endpoint.name for endpoint in self.scope.endpoints],
            list(self.scope.targets),
        )
        return pa.Table.from_pylist([dict(zip(PULL_SCHEMA.names, row, strict=True))], PULL_SCHEMA)


def make_checkpoint(integration: Integration, state: Path) -> Checkpoint:
    """The finished lists of an integration's pull, below the folder for what outlives a run."""
    asked = integration.model_dump_json(
        include={"org_id", "association_targets", "details", "skip_endpoints"}
    )
    key = load_credentials(integration).identity
    fingerprint = f"{integration.url} {key_fingerprint(key)} {asked}"
    return Checkpoint(checkpoint_folder(state, integration.name), fingerprint)


def checkpoint_folder(state: Path, integration: str) -> Path:
    """Where an integration's finished lists are."""
    return state / "spool" / integration


def pull_organization(
    integration: Integration,
    state: Path,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_retry: Callable[[str], None] = lambda _: None,
) -> Pull:
    """Read every list of an integration's organization and prove each complete.

    Lists that an attempt within the last hour finished are not read again; they stay on disk
    until the caller removes the spool.

    Args:
        integration: whose key is read now.
        state: folder for what outlives a run: finished lists, and the rate that was good.
        on_progress: told after each list.
        on_retry: told why a call is sent again, from any thread.

    Raises:
        SettingsError: there is no usable key.
        ExtractError: a list could not be read to its end.
        WrongOrganizationError: it is not the organization set, or stands for several.
    """
    _refuse_undiscovered(integration)
    spare_memory()
    credentials = load_credentials(integration)
    key = credentials.identity
    rates = SavedRates(state / "rates.json")
    throttle = get_rate_limiter(key, rates.get(key), integration.max_requests_per_second)
    with open_session(integration, credentials) as session:
        client = JumpCloudClient(
            session,
            integration.url,
            throttle,
            org_id=integration.org_id,
            max_in_flight=integration.max_in_flight,
            on_retry=on_retry,
        )
        spool = make_checkpoint(integration, state)
        try:
            with loaded_spared():
                result = _pull(client, integration, spool, on_progress)
            _check_organization(integration, result.tables)
        except (ForbiddenError, WrongOrganizationError):
            # What was read under another role, or of another organization, is not taken up again.
            spool.remove()
            raise
    rates.put(key, throttle.stats.good_rate)
    return result


def _refuse_undiscovered(integration: Integration) -> None:
    if integration.discover_organizations:
        raise WrongOrganizationError(
            f"integration {integration.name!r}: its organizations are not known yet; `run`, "
            "`check` and its schedule look them up, and say why they cannot"
        )


def _check_organization(integration: Integration, tables: Mapping[str, pa.Table]) -> None:
    if integration.details:
        check_organization_visible(integration, tables[ORGANIZATIONS.name])
    check_record_organizations(integration, tables)


def _pull(
    client: JumpCloudClient,
    integration: Integration,
    spool: Checkpoint,
    on_progress: Callable[[Progress], None],
) -> Pull:
    scope = Scope(select_endpoints(integration), integration.association_targets)
    started_at = spool.open()
    threads = integration.max_in_flight + PARSING_THREADS
    pool = ThreadPoolExecutor(threads, thread_name_prefix="jumpcloud")
    try:
        coordinator = Fetcher(client, pool, scope, spool, on_progress)
        lists = coordinator.run()
    finally:
        # After a failure nothing that still waits may go out, and nobody waits for an answer.
        client.abort()
        pool.shutdown(wait=False, cancel_futures=True)
        spool.close()
    return Pull(
        tables={endpoint.name: _table(endpoint, lists) for endpoint in ENDPOINTS.values()},
        scope=scope,
        completeness=completeness_table([each.completeness for each in lists]),
        started_at=started_at,
        finished_at=datetime.now(UTC),
        counts=client.counts,
        plan=coordinator.plan,
        throttle=client.rate_limiter.stats,
        unknown_fields=coordinator.unknown_fields,
    )


def select_endpoints(integration: Integration) -> list[Endpoint]:
    """What the settings ask for; without a list, its records' lists cannot be asked for either."""
    left_out = set(integration.skip_endpoints)
    return [
        each
        for each in ENDPOINTS.values()
        if not left_out & {each.name, each.parent} and (integration.details or not each.is_detail)
    ]


def _table(endpoint: Endpoint, lists: Sequence[FinishedList]) -> pa.Table:
    batches = [each.rows for each in lists if each.completeness.list_id.endpoint == endpoint.name]
    return pa.Table.from_batches(batches, endpoint.table_schema).combine_chunks()
