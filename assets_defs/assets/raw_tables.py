"""One asset per endpoint. They are materialized together, because one pull reads all lists."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from math import ceil

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets_defs.asset_keys import ACCESS_DIFFERENCES, COMPLETENESS, JUMPCLOUD, PULLS, raw_key
from assets_defs.assets.specs import table_spec
from assets_defs.console import IN_BAR, TERMINAL, progress_bar
from assets_defs.resources import Metadata, ParquetStore
from assets_defs.runs.stale import fail_other_runs
from assets_defs.runs.step import RunLock, step
from pipelines.extract.estimate import Plan
from pipelines.extract.fetcher import Progress
from pipelines.extract.pull import PULL_SCHEMA, Pull, pull_organization
from pipelines.extract.second_witness import DIFFERENCES_SCHEMA
from pipelines.jumpcloud.completeness import COMPLETENESS_SCHEMA
from pipelines.jumpcloud.endpoints import ENDPOINTS, ORGANIZATIONS
from pipelines.jumpcloud.paginator import IncompleteError
from pipelines.workspace import Staging, Workspace

COMPLETE = "complete"
PROGRESS_SECONDS = 5.0


def _spec(name: str, description: str, schema: pa.Schema, parent: str = "") -> dg.AssetSpec:
    columns = [dg.TableColumn(field.name, str(field.type)) for field in schema]
    deps = [raw_key(parent)] if parent else []
    kinds = {"jumpcloud", "parquet"}
    return table_spec(raw_key(name), description, columns, kinds, group=JUMPCLOUD, deps=deps)


@dg.multi_asset(
    name="pull",
    specs=[
        *(
            _spec(name, f"{one.description}. `GET {one.path}`", one.table_schema, one.parent)
            for name, one in ENDPOINTS.items()
        ),
        _spec(COMPLETENESS, "Proof that each list was read to its end", COMPLETENESS_SCHEMA),
        _spec(
            ACCESS_DIFFERENCES,
            "Pairs of user and device that only the pull or only JumpCloud's report has",
            DIFFERENCES_SCHEMA,
        ),
        _spec(PULLS, "Time of the pull, and the calls sent", PULL_SCHEMA),
    ],
    check_specs=[
        dg.AssetCheckSpec(
            COMPLETE,
            asset=raw_key(name),
            blocking=True,
            description="Every list was read to its end; holes are deleted members",
        )
        for name in ENDPOINTS
    ],
)
def pull(
    context: dg.AssetExecutionContext,
    parquet: ParquetStore,
    workspace: dg.ResourceParam[Workspace],
    run_lock: dg.ResourceParam[RunLock],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Read all lists of the organization concurrently, under one throttle."""
    reporter = _Reporter(context)
    with step(context, workspace, run_lock) as integration:
        if warning := workspace.check_name(integration.name):
            context.log.warning(warning)
        fail_other_runs(context.instance, integration.name, context.run.run_id)
        workspace.open_history().latest(integration.name)  # fails before all the calls, not after
        try:
            with reporter.shown():
                result = pull_organization(
                    integration, workspace.root, reporter.progress, reporter.retry
                )
        except IncompleteError as error:
            yield dg.AssetCheckResult(
                check_name=COMPLETE,
                asset_key=raw_key(error.list_id.endpoint),
                passed=False,
                metadata={"list": str(error.list_id), "reason": str(error)},
            )
            raise
        yield from _stored(context, result, parquet, workspace.staging)


def _stored(
    context: dg.AssetExecutionContext, result: Pull, parquet: ParquetStore, staging: Staging
) -> Iterator[dg.MaterializeResult[None]]:
    """Write each raw table; yield it with the proof that it is complete."""
    tables = result.tables | {
        COMPLETENESS: result.completeness,
        ACCESS_DIFFERENCES: result.differences,
        PULLS: result.facts(),
    }
    staging.begin("pull", context.partition_key)
    checks: list[dg.AssetCheckResult] = []
    for name, table in tables.items():
        proofs = result.completeness.filter(pc.field("endpoint") == name)
        metadata: Metadata = _call_metadata(result) if name == PULLS else {**_sums(proofs)}
        metadata |= _notes(context.log, result, name)
        if name in ENDPOINTS:
            checks.append(_check(name, proofs, table.num_rows))
        yield dg.MaterializeResult(
            asset_key=raw_key(name),
            metadata=parquet.write(raw_key(name), context.partition_key, table) | metadata,
            check_results=checks[-1:] if name in ENDPOINTS else [],
        )
    if all(check.passed for check in checks):
        staging.finish("pull", context.partition_key)


def _notes(log: logging.Logger, result: Pull, name: str) -> dict[str, str]:
    """Return what is unproven, not asked, unknown or lost of a raw table, and warn of it."""
    notes: dict[str, str] = {}
    if name == ORGANIZATIONS.name and result.unproven:
        notes["unproven"] = result.unproven
        log.warning(result.unproven)
    if name == ACCESS_DIFFERENCES:
        notes["report"] = str(result.report_at or "none")
        if result.report_problem:
            notes["not_asked"] = result.report_problem
            problem = result.report_problem
            log.warning("direct_bindings: no report: %s. The run goes on without it", problem)
    if name in result.refusals:
        notes["not_asked"] = result.refusals[name]
        log.warning("%s: not asked: %s. The run goes on without it", name, notes["not_asked"])
    if name in ENDPOINTS:
        unknown = ", ".join(sorted(result.unknown_fields.get(name, ())))
        notes["unknown_fields"] = unknown or "none"
        if unknown:
            log.warning("%s: the API sends unknown fields: %s", name, unknown)
        counts = result.lost_values.get(name, {})
        lost = ", ".join(f"{field} {count:,}" for field, count in counts.items())
        notes["lost_values"] = lost or "none"
        if lost:
            log.warning("%s: values of another type than known are lost: %s", name, lost)
    return notes


class _Reporter:
    """Log of a pull: the plan, then progress and retries, at most one line each in 5 seconds.

    On a terminal, a bar shows the progress.
    """

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._log = context.log
        loggers = context.run.run_config.get("loggers")
        self._is_on_terminal = isinstance(loggers, Mapping) and TERMINAL in loggers
        self._bar: Callable[[Progress], None] | None = None
        self._plan: Plan | None = None
        self._started = time.monotonic()
        self._last = {"progress": self._started, "retry": float("-inf")}

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show a bar during the pull."""
        with progress_bar(enabled=self._is_on_terminal) as self._bar:
            yield

    def progress(self, progress: Progress) -> None:
        """Log the progress of the pull."""
        if progress.plan != self._plan:
            self._plan = progress.plan
            self._log.info(f"plan: {progress.plan}")
        if self._bar:
            self._bar(progress)
        if self._is_due("progress"):
            message = _describe(progress, time.monotonic() - self._started)
            self._log.info(message, extra={IN_BAR: self._bar is not None})

    def retry(self, cause: str) -> None:
        """Log that a call is sent again."""
        if self._is_due("retry"):
            self._log.info(cause, extra={IN_BAR: False})

    def _is_due(self, kind: str) -> bool:
        is_due = time.monotonic() - self._last[kind] >= PROGRESS_SECONDS
        if is_due:
            self._last[kind] = time.monotonic()
        return is_due


def _describe(progress: Progress, seconds: float) -> str:
    """Return the progress of a pull that started some seconds ago as one line."""
    counts, speed = progress.counts, progress.counts.calls / seconds
    message = (
        f"{progress.lists_done:,} of {progress.lists_known:,} lists, {counts.calls:,} calls, "
        f"{speed:.0f} calls/s, {counts.throttled:,} throttled"
    )
    if not (progress.plan and speed):
        return message
    # Nearly all lists belong to a group or an application, and take one call each.
    left = timedelta(seconds=ceil((progress.lists_known - progress.lists_done) / speed))
    return f"{message}, about {left} left"


def _sums(proofs: pa.Table) -> dict[str, int]:
    names = ("expected", "received", "holes", "duplicates", "pages", "rereads")
    return {"lists": proofs.num_rows} | {name: pc.sum(proofs[name]).as_py() or 0 for name in names}


def _check(name: str, proofs: pa.Table, rows: int) -> dg.AssetCheckResult:
    """Return the check: all records that the API counted are in the table, or were deleted."""
    sums = _sums(proofs)
    return dg.AssetCheckResult(
        check_name=COMPLETE,
        asset_key=raw_key(name),
        passed=rows == sums["received"] and (sums["holes"] == 0 or ENDPOINTS[name].may_have_holes),
        metadata=sums | {"rows": rows},
    )


def _call_metadata(result: Pull) -> Metadata:
    seconds = (result.finished_at - result.started_at).total_seconds()
    counts, throttle = result.counts, result.throttle
    names = ("seconds", "calls_per_second")
    points = [dg.TableRecord(dict(zip(names, p, strict=True))) for p in throttle.rate_over_time]
    schema = dg.TableSchema([dg.TableColumn(name, "float") for name in names])
    return {
        "planned_calls": result.plan.calls if result.plan else 0,
        "calls": counts.calls,
        "retries": counts.retries,
        "throttled": counts.throttled,
        "seconds": round(seconds, 2),
        "paused_seconds": round(throttle.paused_seconds, 2),
        "good_rate": round(throttle.good_rate, 2),
        "rate_is_shared": throttle.is_shared,
        "rate_over_time": dg.MetadataValue.table(points, schema),
    }
