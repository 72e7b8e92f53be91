"""Read JumpCloud's report of users and devices: who is bound to which device, and how.

The report is made by Directory Insights, on a host of its own. Its rows have no sudo
(docs/reference/jumpcloud-api.md, section 4).
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.jumpcloud.client import JumpCloudClient, Request
from pipelines.jumpcloud.errors import ExtractError, MalformedError, TemporaryError
from pipelines.jumpcloud.responses import Json
from pipelines.jumpcloud.transport import REPORT_ID, REPORT_REQUEST_PATH, REPORTS_PATH
from pipelines.sql import in_memory, quoted
from pipelines.temporary import temporary_folder

REPORTS_SCOPE: Final = "directoryinsights.readonly"
# The list has another name for the type than the path of the request.
TYPES: Final = frozenset({"users-to-devices", "ods-users-to-devices"})
MAX_POLLS: Final = 12
MAX_WAIT_SECONDS: Final = 30.0
MAX_REPORT_BYTES: Final = 512 * 1024 * 1024
# A clock may be wrong by so much. A report from a later time would stay the newest one.
MAX_CLOCK_ERROR: Final = timedelta(hours=1)
# A report that is in progress for longer will not be completed.
MAX_PROGRESS: Final = timedelta(minutes=30)
_STARTED: Final = frozenset({"PENDING", "IN_PROGRESS"})
_ID: Final = "[0-9a-fA-F]{24}"
_COLUMNS = "{user_object_id: 'TEXT', resource_object_id: 'TEXT', association_type: 'TEXT'}"


class NoReportError(ExtractError):
    """There is no report that may be used."""


@dataclass(frozen=True)
class DeviceReport:
    """A completed report.

    Attributes:
        created_at: time at which it was requested.
        pairs: columns `user_id`, `system_id` and `is_direct`, a row for each user and device.
    """

    created_at: datetime
    pairs: pa.Table


@dataclass(frozen=True)
class _Entry:
    """An entry in the list of reports; `artifact` is the id of its JSON, or empty."""

    id: str
    status: str
    created_at: datetime
    artifact: str
    is_whole: bool


def wait_before_poll(number: int) -> float:
    """Return the seconds before a poll, counted from 0: 5, 10, 20, then 30; five minutes in all."""
    return min(5.0 * 2.0**number, MAX_WAIT_SECONDS)


def read_device_report(
    client: JumpCloudClient, url: str, max_age: timedelta, *, may_request: bool
) -> DeviceReport:
    """Return the newest completed report, or a new one if none is young enough.

    Args:
        client: client of the organization.
        url: scheme and host of the reports.
        max_age: age at which a report is too old.
        may_request: True to request a new one.

    Raises:
        NoReportError: no report is young enough and none may be requested, or none was completed.
        ExtractError: the reports could not be read.
    """
    since = datetime.now(UTC) - max_age
    young = _list_reports(client, url, since)
    # Somebody may have made a report without JSON.
    entry = _newest(one for one in young if one.status == "COMPLETED" and one.artifact)
    if not entry and may_request:
        running = _running(young)
        entry = _wait(client, url, running.id if running else _request(client, url, since))
    if not entry:
        raise NoReportError(
            "no report of users and devices with JSON is younger than "
            f"{max_age / timedelta(hours=1):g} hours"
        )
    if not entry.artifact:
        raise NoReportError("the report of users and devices has no JSON")
    path = f"{REPORTS_PATH}/{entry.id}/artifacts/{entry.artifact}/content"
    content = client.download(
        Request(path, {}, REPORTS_SCOPE, url=url, max_bytes=MAX_REPORT_BYTES, is_json=False)
    )
    return DeviceReport(entry.created_at, parse_report(content, url + path))


def parse_report(content: bytes, where: str) -> pa.Table:
    """Return the pairs of a report; a pair that is bound in several ways is one row.

    Raises:
        MalformedError: it is no JSON array, or a row has no type of association or no valid id.
    """
    try:
        if content.lstrip()[:1] == b'"':  # a JSON text that holds the report
            content = str(json.loads(content)).encode()
        if content.lstrip()[:1] != b"[" or content.rstrip()[-1:] != b"]":
            raise MalformedError(f"{where}: the report is not a JSON array")
        with temporary_folder() as folder, in_memory() as connection:
            file = folder / "report.json"
            file.write_bytes(content)
            rows = f"read_json({quoted(str(file))}, format = 'array', columns = {_COLUMNS})"
            pairs: pa.Table = connection.sql(
                "SELECT user_object_id AS user_id, resource_object_id AS system_id, "
                "bool_or(lower(association_type) = 'direct') AS is_direct, "
                "bool_or(association_type IS NULL OR coalesce(NOT ("
                f"regexp_full_match(user_object_id, '{_ID}') AND "
                f"regexp_full_match(resource_object_id, '{_ID}')), true)) AS is_odd "
                f"FROM {rows} GROUP BY ALL ORDER BY ALL"
            ).to_arrow_table()
    except (duckdb.Error, ValueError) as error:
        kind = type(error).__name__
        raise MalformedError(f"{where}: the report is not valid JSON ({kind})") from None
    if pc.any(pairs["is_odd"]).as_py():
        raise MalformedError(f"{where}: the report has rows without a user, device or type")
    return pairs.drop_columns(["is_odd"])


def _newest(entries: Iterable[_Entry]) -> _Entry | None:
    return max(entries, key=lambda one: one.created_at, default=None)


def _running(entries: Iterable[_Entry]) -> _Entry | None:
    since = datetime.now(UTC) - MAX_PROGRESS
    return _newest(one for one in entries if one.status in _STARTED and one.created_at >= since)


def _list_reports(client: JumpCloudClient, url: str, since: datetime) -> list[_Entry]:
    """Return the reports since a time that have all pairs."""
    document = client.send(Request(REPORTS_PATH, {}, REPORTS_SCOPE, url=url)).document
    if not isinstance(document, list):
        raise MalformedError(f"{url}{REPORTS_PATH}: the response has no list of reports")
    until = datetime.now(UTC) + MAX_CLOCK_ERROR
    return [one for one in _entries(document) if one.is_whole and since <= one.created_at <= until]


def _entries(document: Iterable[Json]) -> Iterable[_Entry]:
    """Yield the reports of users and devices, without those that name no time or no valid id."""
    for record in document:
        if not isinstance(record, dict) or str(record.get("type")) not in TYPES:
            continue
        created_at = _time(record.get("created_at"))
        report_id, artifacts = record.get("id"), record.get("artifacts")
        if created_at is None or not _is_id(report_id):
            continue
        found = [
            one["id"]
            for one in (artifacts if isinstance(artifacts, list) else [])
            if isinstance(one, dict) and one.get("format") == "JSON" and _is_id(one.get("id"))
        ]
        # A report with parameters may have a part of the pairs only.
        is_whole = not record.get("parameters")
        artifact = str(found[0]) if found else ""
        yield _Entry(str(report_id), str(record.get("status")), created_at, artifact, is_whole)


def _is_id(value: Json) -> bool:
    """Return True for an id that can be a part of a path and leads nowhere else."""
    return isinstance(value, str) and bool(re.fullmatch(REPORT_ID, value))


def _time(value: Json) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(value))
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _request(client: JumpCloudClient, url: str, since: datetime) -> str:
    """Request a report, once, and return its id."""
    request = Request(REPORT_REQUEST_PATH, {}, REPORTS_SCOPE, body={}, url=url, makes_report=True)
    try:
        document = client.send(request).document
    except TemporaryError:
        # It may be in progress although the response was lost.
        if running := _running(_list_reports(client, url, since)):
            return running.id
        raise
    report_id = document.get("id") if isinstance(document, dict) else None
    if not isinstance(report_id, str):
        raise MalformedError(f"{url}{REPORT_REQUEST_PATH}: the response has no id")
    return report_id


def _wait(client: JumpCloudClient, url: str, report_id: str) -> _Entry:
    """Wait until a report is completed."""
    since = datetime.min.replace(tzinfo=UTC)
    for number in range(MAX_POLLS):
        client.wait(wait_before_poll(number))
        found = [one for one in _list_reports(client, url, since) if one.id == report_id]
        if found and found[0].status == "COMPLETED":
            return found[0]
        if found and found[0].status in {"FAILED", "DELETED"}:
            raise NoReportError(f"JumpCloud did not make the report: {found[0].status}")
    raise NoReportError("JumpCloud did not complete the report within five minutes")
