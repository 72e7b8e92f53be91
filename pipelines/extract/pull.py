"""Pull a whole organization: every list, proven complete."""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from pipelines.arrow import hide_pandas
from pipelines.config.credentials import Credentials, load_credentials
from pipelines.config.integration import Integration
from pipelines.extract.checkpoint import Checkpoint
from pipelines.extract.estimate import Plan
from pipelines.extract.fetcher import Fetcher, Progress
from pipelines.extract.organizations import check_organization, explain_refusal
from pipelines.extract.scope import Scope, select_endpoints
from pipelines.extract.second_witness import (
    Comparison,
    Witness,
    find_witness,
    limit_scope,
    make_reader,
)
from pipelines.jumpcloud.auth import open_session
from pipelines.jumpcloud.client import CallCounts, JumpCloudClient
from pipelines.jumpcloud.completeness import Completeness, completeness_table
from pipelines.jumpcloud.endpoints import ENDPOINTS, ORGANIZATIONS
from pipelines.jumpcloud.errors import ForbiddenError, WrongOrganizationError
from pipelines.ratelimit.limiter import get_rate_limiter
from pipelines.ratelimit.saved_rates import key_fingerprint
from pipelines.ratelimit.stats import RateLimitStats
from pipelines.workspace import Workspace

# Threads next to those that wait for an answer: they wait for the rate limiter, or parse.
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
        "lost_fields": pa.list_(pa.string()),
        "custom_attributes": pa.list_(pa.string()),
        "organization_id": pa.string(),
        "report_at": pa.timestamp("us", tz="UTC"),
    }
)


@dataclass(frozen=True)
class Pull:
    """Result of one pull.

    Attributes:
        tables: a raw table for each endpoint; empty for endpoints that were not read.
        scope: endpoints and association targets that were read.
        completeness: one row per list, with the proof that it is complete.
        started_at: time before the first call.
        finished_at: time after the last answer.
        counts: calls sent, without those of an interrupted attempt.
        plan: estimate made from the first pages.
        throttle: statistics of the rate limiter.
        unknown_fields: names of unknown fields in the records, by endpoint; without those in lists
            that an interrupted attempt had finished.
        lost_values: number of values of another type than known, by endpoint and field; they are
            NULL.
        refusals: messages of the refusals that the pull went on without, by endpoint; for an
            association target, of its endpoint. Nothing of them is in `scope` or `completeness`.
        unproven: message with the promise that the pull cannot keep, or "".
        organization_id: id of the organization of the records, if it is known.
        differences: a row of `DIFFERENCES_SCHEMA` for each pair of user and device that only the
            report or only the pull has; empty without a report.
        report_at: time of JumpCloud's report of users and devices; None if none was used.
        report_problem: reason why no report was used, or not compared, although the settings
            want it, or "".
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
    lost_values: Mapping[str, Mapping[str, int]]
    refusals: Mapping[str, str]
    unproven: str
    organization_id: str | None
    differences: pa.Table
    report_at: datetime | None
    report_problem: str

    def facts(self) -> pa.Table:
        """Return a table of `PULL_SCHEMA` with one row."""
        row = {
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "api_calls": self.counts.calls,
            "api_retries": self.counts.retries,
            "throttled": self.counts.throttled,
            "endpoints": [endpoint.name for endpoint in self.scope.endpoints],
            "association_targets": list(self.scope.targets),
            "lost_fields": sorted(
                {
                    f"{endpoint}.{name.partition('.')[0]}"
                    for endpoint, counts in self.lost_values.items()
                    for name in counts
                }
            ),
            "custom_attributes": list(self.scope.custom_attributes),
            "organization_id": self.organization_id,
            "report_at": self.report_at,
        }
        return pa.Table.from_pylist([row], PULL_SCHEMA)


def make_checkpoint(integration: Integration, credentials: Credentials, state: Path) -> Checkpoint:
    """Return the checkpoint of an integration's pull.

    Args:
        integration: settings of the integration; others that read other data share no lists.
        credentials: the integration's credentials; lists of another key are ignored.
        state: folder for files that outlive a run.
    """
    requested = integration.model_dump_json(
        include={
            "org_id",
            "association_targets",
            "details",
            "skip_endpoints",
            "direct_bindings",
            "custom_attributes",
        }
    )
    fingerprint = f"{integration.url} {key_fingerprint(credentials.identity)} {requested}"
    return Checkpoint(Workspace(state).checkpoint_folder(integration.name), fingerprint)


def remove_checkpoint(state: Path, integration: str) -> None:
    """Remove an integration's checkpoint, so that its next pull reads every list again."""
    folder = Workspace(state).checkpoint_folder(integration)
    if folder.exists():
        shutil.rmtree(folder)


def pull_organization(
    integration: Integration,
    state: Path,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_retry: Callable[[str], None] = lambda _: None,
) -> Pull:
    """Read every list of an integration's organization and prove each complete.

    Lists that an attempt within the last hour finished are not read again. They stay on disk until
    the caller removes the checkpoint.

    Args:
        integration: settings of the integration.
        state: folder for files that outlive a run: the checkpoint, and saved rates.
        on_progress: called after each list.
        on_retry: called with the reason before a call is sent again, from any thread.

    Raises:
        SettingsError: the credentials are missing or unusable.
        ExtractError: a list could not be read to its end.
        WrongOrganizationError: the key reads another organization than the settings name.
    """
    _check_discovered(integration)
    _save_memory()
    key = (credentials := load_credentials(integration)).identity
    rates = Workspace(state).saved_rates
    limiter = get_rate_limiter(key, rates.get(key), integration.max_requests_per_second)
    with open_session(integration, credentials) as session:
        client = JumpCloudClient(
            session,
            integration.url,
            limiter,
            org_id=integration.org_id,
            max_in_flight=integration.max_in_flight,
            on_retry=on_retry,
        )
        checkpoint = make_checkpoint(integration, credentials, state)
        result = _pull(client, integration, checkpoint, on_progress)
    rates.put(key, limiter.stats.good_rate)
    return result


def _save_memory() -> None:
    """Keep pyarrow from loading pandas, and from using a memory pool of its own."""
    hide_pandas()
    # pyarrow's own memory pool takes 30 MiB more for 5,000 systems, and is no faster.
    pa.set_memory_pool(pa.system_memory_pool())


def _check_discovered(integration: Integration) -> None:
    if integration.discover_organizations:
        raise WrongOrganizationError(
            f"integration {integration.name!r} cannot be pulled: its organizations are not known "
            "yet. Use `run` or `check`: they look them up, and report why that fails"
        )


def _pull(
    client: JumpCloudClient,
    integration: Integration,
    checkpoint: Checkpoint,
    on_progress: Callable[[Progress], None],
) -> Pull:
    scope = Scope(
        select_endpoints(integration),
        integration.association_targets,
        custom_attributes=integration.custom_attributes,
    )
    started_at = checkpoint.open()
    threads = integration.max_in_flight + PARSING_THREADS
    pool = ThreadPoolExecutor(threads, thread_name_prefix="jumpcloud")
    try:
        witness = find_witness(client, integration, scope, may_request=integration.request_reports)
        if witness.report and integration.direct_bindings == "report":
            scope = limit_scope(scope, witness.report)
        fetcher = Fetcher(client, pool, scope, checkpoint, on_progress)
        proofs = fetcher.run()
        tables = {name: fetcher.read_table(endpoint) for name, endpoint in ENDPOINTS.items()}
        refusal = fetcher.refusals.get(ORGANIZATIONS.name, "")
        pulled = {read.name: tables[read.name] for read in fetcher.scope.endpoints}
        organization = _Organization(
            check_organization(integration, pulled),
            refusal and explain_refusal(refusal, integration, pulled),
        )
        comparison = Comparison(tables, proofs, fetcher.scope)
        if witness.report:
            comparison.run(witness.report, started_at, make_reader(client, pool, checkpoint))
    except (ForbiddenError, WrongOrganizationError):
        # Lists read with another role, or of another organization, must not be resumed.
        checkpoint.remove()
        raise
    finally:
        # After a failure, send no waiting request and wait for no answer.
        client.abort()
        pool.shutdown(wait=False, cancel_futures=True)
        checkpoint.close()
    return _make_pull(fetcher, comparison, client, started_at, witness, organization)


class _Organization(NamedTuple):
    """The organization of a pull: its id if it is known, and what the pull cannot prove of it."""

    id: str | None
    unproven: str


def _make_pull(
    fetcher: Fetcher,
    comparison: Comparison,
    client: JumpCloudClient,
    started_at: datetime,
    witness: Witness,
    organization: _Organization,
) -> Pull:
    refusals = {n: text for n, text in fetcher.refusals.items() if n != ORGANIZATIONS.name}
    return Pull(
        tables=comparison.tables,
        scope=fetcher.scope,
        completeness=completeness_table(comparison.proofs),
        started_at=started_at,
        finished_at=datetime.now(UTC),
        counts=client.counts,
        plan=fetcher.plan,
        throttle=client.rate_limiter.stats,
        unknown_fields=fetcher.unknown_fields,
        lost_values=_sum_lost_values(comparison.proofs),
        refusals=refusals,
        unproven=organization.unproven,
        organization_id=organization.id,
        differences=comparison.differences,
        report_at=witness.report.created_at if witness.report else None,
        report_problem=witness.problem or (comparison.problem if witness.report else ""),
    )


def _sum_lost_values(proofs: Sequence[Completeness]) -> dict[str, Counter[str]]:
    sums: dict[str, Counter[str]] = {}
    for proof in proofs:
        if proof.lost_values:
            sums.setdefault(proof.list_id.endpoint, Counter()).update(proof.lost_values)
    return sums
