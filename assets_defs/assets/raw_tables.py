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

from assets_defs.asset_keys import ACCESS_DIFFERENCES, COMPLETENESS, JUMPCLOUD, PULLS, AssetKeys
from assets_defs.assets.specs import raw_columns, table_spec
from assets_defs.console import IN_BAR, TERMINAL, progress_bar
from assets_defs.partitions import build_partitions
from assets_defs.resources import Metadata, ParquetStore
from assets_defs.runs.ownership import OwnRuns
from assets_defs.runs.stale import fail_other_runs
from assets_defs.runs.step import RUN_LOCK, select, step
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


def _specs(keys: AssetKeys) -> Iterator[dg.AssetSpec]:
    for name, one in ENDPOINTS.items():
        description = f"{one.description}. `GET {one.path}`"
        yield _spec(keys, name, description, one.table_schema, one.parent)
    yield _spec(keys, COMPLETENESS, "Proof that each list was read to its end", COMPLETENESS_SCHEMA)
    yield _spec(
        keys,
        ACCESS_DIFFERENCES,
        "Pairs of user and device that only the pull or only JumpCloud's report has",
        DIFFERENCES_SCHEMA,
    )
    yield _spec(keys, PULLS, "Time of the pull, and the calls sent", PULL_SCHEMA)


def _spec(
    keys: AssetKeys, name: str, description: str, schema: pa.Schema, parent: str = ""
) -> dg.AssetSpec:
    columns = dg.TableSchema(raw_columns(name, schema))
    deps = [keys.raw(parent)] if parent else []
    kinds = {"jumpcloud", "parquet"}
    return table_spec(keys.raw(name), description, columns, kinds, group=JUMPCLOUD, deps=deps)


def build_pull(workspace: Workspace) -> dg.AssetsDefinition:
    """Return the raw tables, read by one step."""
    keys = AssetKeys(workspace.prefix)

    @dg.multi_asset(
        name=keys.name("pull"),
        specs=[*_specs(keys)],
        check_specs=[
            dg.AssetCheckSpec(
                COMPLETE,
                asset=keys.raw(name),
                blocking=True,
                description="Every list was read to its end; holes are deleted members. If it "
                "fails, nothing is published: run it again when nobody changes the organization",
            )
            for name in ENDPOINTS
        ],
        can_subset=True,
        partitions_def=build_partitions(workspace),
        required_resource_keys={RUN_LOCK},
    )
    def pull(
        context: dg.AssetExecutionContext,
    ) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
        """Read all lists of the organization concurrently, under one throttle."""
        yield from _pull_lists(context, workspace, keys)

    return pull


def _pull_lists(
    context: dg.AssetExecutionContext, workspace: Workspace, keys: AssetKeys
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    reporter = _Reporter(context)
    with step(context, workspace) as integration:
        if warning := workspace.check_name(integration.name):
            context.log.warning(warning)
        own = OwnRuns(context.instance, keys)
        fail_other_runs(own, integration.name, context.run.run_id)
        workspace.open_history().latest(integration.name)  # fails before the calls, not after
        try:
            with reporter.shown():
                result = pull_organization(
                    integration, workspace.root, reporter.progress, reporter.retry
                )
        except IncompleteError as error:
            check = dg.AssetCheckKey(keys.raw(error.list_id.endpoint), COMPLETE)
            if check in context.selected_asset_check_keys:
                metadata = {"list": str(error.list_id), "reason": str(error)}
                yield dg.AssetCheckResult(
                    check_name=check.name,
                    asset_key=check.asset_key,
                    passed=False,
                    metadata=metadata,
                )
            raise
        yield from _stored(context, result, keys, workspace.staging)


def _stored(
    context: dg.AssetExecutionContext, result: Pull, keys: AssetKeys, staging: Staging
) -> Iterator[dg.MaterializeResult[None]]:
    """Write each raw table; yield it with the proof that it is complete."""
    tables = result.tables | {
        COMPLETENESS: result.completeness,
        ACCESS_DIFFERENCES: result.differences,
        PULLS: result.facts(),
    }
    parquet = ParquetStore(staging.root)
    staging.begin("pull", context.partition_key)
    checks: list[dg.AssetCheckResult] = []
    for name, table in tables.items():
        proofs = result.completeness.filter(pc.field("endpoint") == name)
        metadata: Metadata = _call_metadata(result) if name == PULLS else {**_sums(proofs)}
        metadata |= _notes(context.log, result, name)
        if name in ENDPOINTS:
            checks.append(_check(keys.raw(name), proofs, table.num_rows))
        result_of_table = dg.MaterializeResult[None](
            asset_key=keys.raw(name),
            metadata=parquet.write(keys.raw(name), context.partition_key, table) | metadata,
            check_results=checks[-1:] if name in ENDPOINTS else [],
        )
        yield from select(context, result_of_table)
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


def _check(key: dg.AssetKey, proofs: pa.Table, rows: int) -> dg.AssetCheckResult:
    """Return the check: all records that the API counted are in the table, or were deleted."""
    sums, name = _sums(proofs), key.path[-1]
    return dg.AssetCheckResult(
        check_name=COMPLETE,
        asset_key=key,
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
