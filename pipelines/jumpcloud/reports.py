"""Read JumpCloud's report of users and devices: who is bound to which device, and how.

The report is made by Directory Insights, on a host of its own. Its rows have no sudo
(docs/reference/jumpcloud-api.md, section 4).
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import quote

import duckdb
import pyarrow as pa

from pipelines.jumpcloud.client import JumpCloudClient, Request
from pipelines.jumpcloud.errors import ExtractError, MalformedError
from pipelines.jumpcloud.responses import Json
from pipelines.jumpcloud.transport import REPORT_REQUEST_PATH, REPORTS_PATH
from pipelines.sql import in_memory, quoted
from pipelines.temporary import temporary_folder

REPORTS_SCOPE: Final = "directoryinsights.readonly"
# The list has another name for the type than the path of the request.
TYPES: Final = frozenset({"users-to-devices", "ods-users-to-devices"})
MAX_POLLS: Final = 12
MAX_WAIT_SECONDS: Final = 30.0
MAX_REPORT_BYTES: Final = 512 * 1024 * 1024
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
    young = [one for one in _list_reports(client, url) if one.is_whole and one.created_at >= since]
    # Somebody may have made a report without JSON.
    done = [one for one in young if one.status == "COMPLETED" and one.artifact]
    if done:
        entry = max(done, key=lambda one: one.created_at)
    elif may_request:
        running = [one for one in young if one.status in {"PENDING", "IN_PROGRESS"}]
        newest = max(running, key=lambda one: one.created_at, default=None)
        entry = _wait(client, url, newest.id if newest else _request(client, url))
    else:
        raise NoReportError(
            "no report of users and devices with JSON is younger than "
            f"{max_age / timedelta(hours=1):g} hours"
        )
    if not entry.artifact:
        raise NoReportError("the report of users and devices has no JSON")
    parts = (quote(entry.id, safe=""), quote(entry.artifact, safe=""))
    path = "{}/{}/artifacts/{}/content".format(REPORTS_PATH, *parts)
    content = client.download(
        Request(path, {}, REPORTS_SCOPE, url=url, max_bytes=MAX_REPORT_BYTES, is_json=False)
    )
    return DeviceReport(entry.created_at, parse_report(content, url + path))


def parse_report(content: bytes, where: str) -> pa.Table:
    """Return the pairs of a report; a pair that is bound in several ways is one row.

    Raises:
        MalformedError: it is no JSON array, or a row has no id or type of association.
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
                "bool_or(association_type IS NULL) AS lacks_type "
                f"FROM {rows} GROUP BY ALL ORDER BY ALL"
            ).to_arrow_table()
    except (duckdb.Error, ValueError) as error:
        kind = type(error).__name__
        raise MalformedError(f"{where}: the report is not valid JSON ({kind})") from None
    known = [pairs[name].null_count == 0 for name in ("user_id", "system_id")]
    if not all(known) or any(pairs["lacks_type"].to_pylist()):
        raise MalformedError(f"{where}: the report has rows without a user, device or type")
    return pairs.drop_columns(["lacks_type"])


def _list_reports(client: JumpCloudClient, url: str) -> list[_Entry]:
    document = client.send(Request(REPORTS_PATH, {}, REPORTS_SCOPE, url=url)).document
    if not isinstance(document, list):
        raise MalformedError(f"{url}{REPORTS_PATH}: the response has no list of reports")
    return list(_entries(document))


def _entries(document: Iterable[Json]) -> Iterable[_Entry]:
    """Yield the reports of users and devices, without those that name no time."""
    for record in document:
        if not isinstance(record, dict) or record.get("type") not in TYPES:
            continue
        created_at = _time(record.get("created_at"))
        report_id, artifacts = record.get("id"), record.get("artifacts")
        if created_at is None or not isinstance(report_id, str):
            continue
        found = [
            one["id"]
            for one in (artifacts if isinstance(artifacts, list) else [])
            if isinstance(one, dict) and one.get("format") == "JSON" and one.get("id")
        ]
        # A report with parameters may have a part of the pairs only.
        is_whole = not record.get("parameters")
        artifact = str(found[0]) if found else ""
        yield _Entry(report_id, str(record.get("status")), created_at, artifact, is_whole)


def _time(value: Json) -> datetime | None:
    try:
        time = datetime.fromisoformat(str(value))
        return time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _request(client: JumpCloudClient, url: str) -> str:
    """Request a report and return its id."""
    request = Request(REPORT_REQUEST_PATH, {}, REPORTS_SCOPE, body={}, url=url, makes_report=True)
    document = client.send(request).document
    report_id = document.get("id") if isinstance(document, dict) else None
    if not isinstance(report_id, str):
        raise MalformedError(f"{url}{REPORT_REQUEST_PATH}: the response has no id")
    return report_id


def _wait(client: JumpCloudClient, url: str, report_id: str) -> _Entry:
    """Wait until a report is completed."""
    for number in range(MAX_POLLS):
        client.wait(wait_before_poll(number))
        found = [one for one in _list_reports(client, url) if one.id == report_id]
        if found and found[0].status == "COMPLETED":
            return found[0]
        if found and found[0].status in {"FAILED", "DELETED"}:
            raise NoReportError(f"JumpCloud did not make the report: {found[0].status}")
    raise NoReportError("JumpCloud did not complete the report within five minutes")
