"""What Dagster's instance, the source of truth for runs, knows of an integration's runs."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster import RunRecord, RunsFilter

from assets_defs.partitions import PARTITION_TAG
from assets_defs.runs.failures import failure_message
from assets_defs.runs.stale import UNFINISHED_STATUSES

# A run logs few lines beside its events: the last of them is among so many records.
LAST_RECORDS = 50


@dataclass(frozen=True)
class Run:
    """One run of an integration.

    Attributes:
        run_id: Dagster's id.
        result: Dagster's status, in small letters.
        started_at: when it began to work; when it was asked for, if it has not yet.
        seconds: how long it worked; None while it does.
        words: why it failed, or how far it is; empty where there is nothing to say.
    """

    run_id: str
    result: str
    started_at: datetime
    seconds: float | None
    words: str


def current_run(instance: dg.DagsterInstance, integration: str) -> Run | None:
    """The run that waits or works now."""
    record = _newest(instance, integration, UNFINISHED_STATUSES)
    return _run(record, _progress(instance, record)) if record else None


def last_run(instance: dg.DagsterInstance, integration: str, root: Path) -> Run | None:
    """The newest run that has ended."""
    ended = tuple(status for status in dg.DagsterRunStatus if status not in UNFINISHED_STATUSES)
    record = _newest(instance, integration, ended)
    return _run(record, failure_message(instance, record.dagster_run, root)) if record else None


def _newest(
    instance: dg.DagsterInstance, integration: str, statuses: tuple[dg.DagsterRunStatus, ...]
) -> RunRecord | None:
    chosen = RunsFilter(tags={PARTITION_TAG: integration}, statuses=list(statuses))
    return next(iter(instance.get_run_records(chosen, limit=1)), None)


def _run(record: RunRecord, words: str) -> Run:
    start, end = record.start_time, record.end_time
    return Run(
        run_id=record.dagster_run.run_id,
        result=record.dagster_run.status.value.lower(),
        started_at=datetime.fromtimestamp(start, UTC) if start else record.create_timestamp,
        seconds=end - start if start and end else None,
        words=words,
    )


def _progress(instance: dg.DagsterInstance, record: RunRecord) -> str:
    """The newest line that the run itself logged."""
    records = instance.get_records_for_run(
        record.dagster_run.run_id, limit=LAST_RECORDS, ascending=False
    ).records
    entries = (each.event_log_entry for each in records)
    return next((each.user_message for each in entries if not each.is_dagster_event), "")
